"""Cards that say what a model is and how well it performs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spinefrac import wording
from spinefrac.evaluation.baseline_comparison import BaselineComparison
from spinefrac.store import repository
from spinefrac.ui.common import metric_tables
from spinefrac.ui.common.metric_tables import build_metric_row
from spinefrac.viz.templates import get_environment


def test_a_share_is_shown_in_per_cent_and_an_auc_as_a_number() -> None:
    row = build_metric_row(wording.METRICS["recall"], 0.914, (0.886, 0.936))
    assert row.value_text.startswith("91") and row.value_text.endswith("%")
    assert row.interval_text.startswith("89 to 94")
    assert (row.low, row.value, row.high) == (0.886, 0.914, 0.936)
    row = build_metric_row(wording.METRICS["auc"], 0.914, (0.886, 0.936))
    assert (row.value_text, row.interval_text) == ("0.91", "0.89 to 0.94")


def test_without_an_interval_the_line_has_no_width() -> None:
    row = build_metric_row(wording.METRICS["auc"], 0.5, None)
    assert row.low == row.high == 0.5 and row.interval_text == "no CI"


def test_an_undefined_metric_has_no_line() -> None:
    parts = get_environment("spinefrac.ui").get_template("common/components.html").module
    shown = parts.metric_rows([build_metric_row(wording.NPV, None, None)])
    assert wording.UNDEFINED in shown and "sf-interval" not in shown


@pytest.mark.parametrize("verdict", ["caution", "unusable", "ok", None])
def test_only_a_bad_audit_is_warned_of(demonstration: Path, verdict: str | None) -> None:
    model = repository.load("phantom-demo")
    model = replace(model, card=replace(model.card, audit_verdict=verdict))
    shown = metric_tables.render_audit_warning(model)
    assert (wording.describe_audit(verdict) in shown) == (verdict in ("caution", "unusable"))


@pytest.mark.parametrize(("low", "warned"), [(-0.02, True), (0.1, False)])
def test_a_model_that_is_no_better_than_a_trivial_one_says_so(
    demonstration: Path, low: float, warned: bool
) -> None:
    model = repository.load("phantom-demo")
    baselines = (BaselineComparison("thumbnails", 0.6, 0.8, (low, 0.4)),)
    model = replace(model, card=replace(model.card, baselines=baselines))
    shown = metric_tables.render_performance(model)
    assert ("Not shown to be better than a trivial model" in shown) == warned


def test_the_cards_of_the_demonstration(demonstration: Path) -> None:
    model = repository.load("phantom-demo")
    performance = metric_tables.render_performance(model)
    assert "Sensitivity" in performance and f"{model.metrics.n:,} slices" in performance
    summary = metric_tables.render_model_summary(model)
    assert "About phantom-demo" in summary and f"{len(model.card.folds)} networks" in summary
