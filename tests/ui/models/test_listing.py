"""The list of saved models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spinefrac.store import repository
from spinefrac.ui.common import layout
from spinefrac.ui.models import listing
from tests.ui.models.support import checked, html, page, shown


def test_every_model_is_in_a_line_with_what_is_known_of_it(home: Path) -> None:
    app = page()
    assert shown(app) == ["phantom-demo", "second"]
    told, model = html(app), repository.load("phantom-demo")
    low, high = model.metrics.ci["auc"]
    for part in (
        "default",
        f"({low:.2f} to {high:.2f})",
        model.card.created[:10],
        f"{model.data.images:,} slices, {model.data.groups:,} groups",
        f"audit: {model.card.audit_verdict}",
        f"{model.size / 1e6:.1f} MB",
        model.data.group_rule,
        "A &lt;b&gt;note&lt;/b&gt;",
        "paper",
    ):
        assert part in told, part


def test_the_shelf_is_filtered_and_sorted(home: Path) -> None:
    app = page()
    checked(app.toggle(key="models-archived").set_value(True).run())
    assert shown(app) == ["old", "phantom-demo", "second"]
    checked(app.text_input(key="models-search").set_value("NOTE paper").run())
    assert shown(app) == ["second"]
    checked(app.text_input(key="models-search").set_value("nothing of that").run())
    assert shown(app) == [] and "No matching models" in app.info[0].value
    checked(app.text_input(key="models-search").set_value("").run())
    checked(app.multiselect(key="models-tags").set_value(["paper"]).run())
    assert shown(app) == ["second"]
    checked(app.multiselect(key="models-tags").set_value([]).run())
    for order in ("Newest", "Highest AUC", "Largest"):
        checked(app.selectbox(key="models-sort").set_value(order).run())
        assert sorted(shown(app)) == ["old", "phantom-demo", "second"]


def test_what_cannot_be_used_never_breaks_the_page_and_can_be_deleted(home: Path) -> None:
    models = home / "models"
    (models / "Neuer Ordner").mkdir()
    (models / "second" / "slip.json").write_text("{}")
    (models / "file").write_text("no folder")
    app = page()
    assert shown(app) == ["phantom-demo"]
    told = html(app)
    assert "slip.json does not match" in told and "choose another name" in told
    key = f"delete-{layout.make_key(models / 'Neuer Ordner')}"
    checked(app.button(key=key).click().run())
    app.button(key=key).click()
    checked(app.button(key="confirm-delete").click().run())
    assert not (models / "Neuer Ordner").exists()
    page("second"), page("nothing"), page("../..")


def test_a_search_needs_every_word_in_any_case(home: Path) -> None:
    model = repository.load("second")
    assert listing.matches_search(model, "NOTE second paper compact")
    assert not listing.matches_search(model, "note third")


def test_a_model_without_evaluation_comes_last_and_says_so(home: Path) -> None:
    model = repository.load("second")
    imported = replace(model, card=replace(model.card, metrics=None))
    assert listing.sort_models([imported, model], "Highest AUC") == [model, imported]
    assert listing.summarize_auc(imported).text == "not evaluated"


def test_the_line_of_the_auc_runs_from_chance_to_one(home: Path) -> None:
    model = repository.load("second")
    summary = listing.summarize_auc(model)
    low, high = model.metrics.ci["auc"]
    assert (summary.low, summary.high) == pytest.approx((2 * low - 1, 2 * high - 1))
