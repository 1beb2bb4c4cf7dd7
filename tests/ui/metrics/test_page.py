"""The Metrics page run as Streamlit runs it, on models whose answers are made up by a copy.

The copies are of a real saved model, whose out-of-fold table is replaced and whose card is
signed anew, so that the page reads what it would read of any model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from benchmarks.metrics_page import simulate_model
from spinefrac import settings
from spinefrac.store import repository
from spinefrac.wording import format_count
from tests.support import app as pages

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    source = settings.models_dir() / "phantom-demo"
    if not source.is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    home = tmp_path_factory.mktemp("home")
    for name, skill in (("good", 2.0), ("alike", 2.0), ("poor", 0.3)):
        simulate_model(source, home / "models", name, rows=120, separation=skill)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(home))
        patch.syspath_prepend(str(ROOT))
        patch.chdir(ROOT)
        st.cache_resource.clear()
        yield home


def page(**query: object) -> AppTest:
    app = pages.page("metrics")
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return checked(app)


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    assert not app.error
    assert "nan" not in text(app).lower().replace("finance", "")
    return app


def text(app: AppTest) -> str:
    parts = [element.proto.body for element in app.get("html")]
    return "\n".join([*parts, *(c.value for c in app.caption), *(i.value for i in app.info)])


@pytest.mark.parametrize(
    "view", ["Overview", "Calibration", "Training curves", "Subgroups", "Slices"]
)
def test_every_view_of_one_model_draws(home: Path, view: str) -> None:
    app = page(models=["good"], view=view)
    assert "The data set was audited; nothing was found" in text(app)
    charts = {"Overview": 3, "Calibration": 2, "Training curves": 2}.get(view, 0)
    assert len(app.get("plotly_chart")) == charts


@pytest.mark.parametrize(
    "side", ["Table", "Calibration", "Differences", "Disagreement", "Settings"]
)
def test_every_view_of_several_models_draws(home: Path, side: str) -> None:
    app = page(models=["good", "poor"], side=side)
    charts = {"Table": 2, "Calibration": 2, "Differences": 1, "Disagreement": 1}.get(side, 0)
    assert len(app.get("plotly_chart")) == charts


def test_the_report_is_offered(home: Path) -> None:
    labels = [button.proto.label for button in page(models=["good"]).get("download_button")]
    assert {"Download report (HTML)", "Download report (PDF)"} <= set(labels)


def test_threshold_moves_the_numbers_and_warns(home: Path) -> None:
    app = page(models=["good"])
    own = repository.load("good").metrics.confusion_matrix
    assert f"{own[1][1]:,}" in app.button(key="confusion-cell-true-positives").label
    app.slider(key="t").set_value(0.0).run()
    checked(app)
    assert app.button(key="confusion-cell-false-negatives").label.startswith("**0**")
    assert "the metrics below are too optimistic" in text(app)


def test_the_address_holds_the_view(home: Path) -> None:
    app = page(models=["poor"], view="Slices", show="False negatives (missed fractures)", t="0.9")
    assert app.multiselect(key="models").value == ["poor"]
    assert app.slider(key="t").value == pytest.approx(0.9)
    oof = repository.load("poor").load_out_of_fold()
    missed = int(((oof.labels == 1) & (oof.probabilities < 0.9)).sum())
    assert f"{missed} slices: false negatives (missed fractures)" in text(app)


def test_a_cell_of_the_matrix_opens_its_slices(home: Path) -> None:
    app = page(models=["good"])
    (_, alarms), _ = repository.load("good").metrics.confusion_matrix
    app.button(key="confusion-cell-false-positives").click().run()
    checked(app)
    app.run()
    assert f"{format_count(alarms, 'slice')}: false positives (false alarms)" in text(app)
    assert "listed without images" in text(app)  # the data set is not here


def test_a_doubtful_label_can_be_exported(home: Path) -> None:
    app = page(models=["poor"], view="Slices")
    assert not any("marked slices (" in b.proto.label for b in app.get("download_button"))
    app.checkbox[0].check().run()
    checked(app)
    assert any("marked slices (1)" in b.proto.label for b in app.get("download_button"))


def test_best_is_marked_only_beyond_chance(home: Path) -> None:
    from spinefrac.evaluation.compare import compare_models
    from spinefrac.store import paired
    from spinefrac.ui.metrics import comparison

    def winners(*names: str) -> dict[str, str]:
        shared = paired.pair_out_of_fold([repository.load(name) for name in names])
        pairs = compare_models(
            shared.labels, shared.probabilities, shared.groups, shared.thresholds, n_resamples=300
        )
        return comparison.find_best_models(pairs)

    assert winners("good", "poor")["auc"] == "good"
    assert winners("poor", "good")["brier"] == "good"  # where less is better, too
    assert "auc" not in winners("good", "alike")


def test_models_of_different_data_are_not_compared(home: Path) -> None:
    source = home / "models" / "good"
    simulate_model(
        source, home / "models", "stranger", rows=40, separation=1.0, fingerprint="e" * 64
    )
    app = page(models=["good", "stranger"])
    assert "have no predictions on the same slices" in text(app)
    assert any("spinefrac compare good stranger --data FOLDER" in c.value for c in app.code)


def test_one_class_is_said_and_nothing_breaks(home: Path) -> None:
    source = home / "models" / "good"
    simulate_model(source, home / "models", "one-class", rows=40, separation=1.0, one_class=True)
    for view in ("Overview", "Calibration", "Subgroups", "Slices"):
        app = page(models=["one-class"], view=view)
    app = page(models=["one-class"])
    assert "not defined" in text(app) and "of the class" in text(app)


def test_order_of_slices(home: Path) -> None:
    from spinefrac.store.evaluations import SlicePredictions
    from spinefrac.ui.metrics import slices

    answers = SlicePredictions.from_out_of_fold(repository.load("poor").load_out_of_fold())
    rows = slices.rank_slices(answers, 0.5, "errors")
    wrong = np.abs(answers.labels - answers.probabilities)[rows]
    assert (np.diff(wrong) <= 0).all() and (wrong >= 0.5).all()
    near = slices.rank_slices(answers, 0.5, "near-threshold")
    assert (np.diff(np.abs(answers.probabilities[near] - 0.5)) >= 0).all()


def test_labels_to_check_are_ranked_by_the_models_own_answers(home: Path) -> None:
    app = page(models=["poor"], view="Slices", show="Suspected label errors")
    assert "confident learning" in text(app) and "slices: suspected label errors" in text(app)


# --- a model whose training is not known ---------------------------------------------------


@pytest.fixture(scope="module")
def imported(home: Path) -> str:
    """The good model as an import would leave it: without data, folds, answers and history."""
    from dataclasses import replace
    from shutil import copyfile

    from spinefrac.store import card

    source, folder = home / "models" / "good", home / "models" / "foreign"
    folder.mkdir()
    copyfile(source / repository.ONNX_FILE, folder / repository.ONNX_FILE)
    old = card.parse((source / repository.CARD_FILE).read_bytes())
    origin = card.Origin(
        "onnx", "theirs.onnx", "a" * 64, card.utc_now(), 1, "0…255", "logits", 1, 1, ()
    )
    changed = replace(
        old, id="foreign", data=None, folds=(), metrics=None, audit_verdict=None, origin=origin,
        files={repository.ONNX_FILE: old.files[repository.ONNX_FILE]},
    )  # fmt: skip
    (folder / repository.CARD_FILE).write_bytes(card.dump(changed))
    return "foreign"


def test_an_imported_model_asks_to_be_measured(home: Path, imported: str) -> None:
    app = page(models=[imported])
    assert "has no out-of-fold predictions" in text(app)
    assert any(f"spinefrac evaluate {imported} FOLDER" in block.value for block in app.code)
    assert any(button.label == "Evaluate" for button in app.button)


def test_an_imported_model_that_was_measured_shows_it(home: Path, imported: str, tmp_path) -> None:
    from spinefrac.data import phantom
    from spinefrac.data.scan import scan
    from spinefrac.inference import external_evaluation
    from spinefrac.inference.predictor import Predictor
    from spinefrac.report import build_model_report, html
    from spinefrac.store import evaluations

    before = html.render(build_model_report(repository.load(imported))).decode()
    assert "This model was imported" in before and "not measured on other data" in before
    phantom.write_phantom(tmp_path / "new", patients=4, slices=3, seed=2, size=256)
    entry, _ = external_evaluation.evaluate_external(
        Predictor(repository.load(imported)), scan(tmp_path / "new")
    )
    assert evaluations.list_evaluations(repository.load(imported)) == [entry]
    for view in ("Overview", "Calibration", "Subgroups", "Slices", "External evaluation"):
        app = page(models=[imported], view=view)
    assert "it is not known whether it was trained on these slices" in text(app)
    assert "Training curves" not in app.get("button_group")[0].proto.__str__()
    after = html.render(build_model_report(repository.load(imported))).decode()
    assert f"{entry.metrics.auc:.3f}" in after and "Out-of-fold" not in after
    page(models=[imported, "good"])
