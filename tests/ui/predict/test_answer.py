"""The parts of the answer on the page, run as Streamlit runs them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac import settings
from spinefrac.inference import history

ROOT = Path(__file__).resolve().parents[3]

#: A page of these parts only; `{sample}` is answered by the demonstration.
PAGE = """
from pathlib import Path
from dataclasses import replace
import streamlit as st
from spinefrac.ui.predict import feedback, gradcam, occlusion, prediction_report, uncertainty
from spinefrac import imaging
from spinefrac.report.prediction_report import ReportSlice
from spinefrac.inference.predictor import get_predictor

predictor = get_predictor()
model = predictor.model
content = Path("spinefrac/ui/samples/{sample}").read_bytes()
ct = imaging.read(content)
prediction = predictor.predict(ct)
uncertainty.precompute(model)
st.html("<section>" + uncertainty.render_review_note(model, prediction) + "</section>")
uncertainty.show_uncertainty(model, prediction)
occlusion.show_occlusion(model, ct, prediction)
gradcam.offer_gradcam(model, ct, replace(prediction, heatmap=None))
feedback.show_feedback(model, ct, prediction)
feedback.show_history()
prediction_report.show_report_downloads(model, [ReportSlice("Slice", ct, prediction, content)])
"""


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    models = settings.models_dir()
    if not (models / "phantom-demo").is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    (tmp_path / "models").symlink_to(models, target_is_directory=True)
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    monkeypatch.delenv("SPINEFRAC_HISTORY", raising=False)
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)
    return tmp_path


def run(sample: str = "fracture-1.dcm") -> AppTest:
    app = AppTest.from_string(PAGE.format(sample=sample), default_timeout=180).run()
    assert not app.exception and not app.error
    return app


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def test_every_part_says_its_piece(own_home: Path) -> None:
    told = html(run())
    for words in ("Reliability of this prediction", "PPV", "patients", "networks"):
        assert words in told
    assert "promises nothing for a single one" in told or "No abstention band." in told
    assert "The model depends on this region" in told or "does not depend on this region" in told
    assert "Grad-CAM can be computed" in told


def test_a_rarer_fracture_changes_what_a_call_is_worth(own_home: Path) -> None:
    app = run()
    (field,) = (entry for entry in app.number_input if entry.label.startswith("Prevalence"))
    before = html(app)
    after = html(field.set_value(1.0).run())
    assert "your setting" in after and "your setting" not in before


def test_what_people_say_is_kept(own_home: Path) -> None:
    app = run()
    (entry,) = history.list_entries()
    app.button_group(key=f"feedback-{entry.id}").set_value("disagree").run()
    app.text_input(key=f"feedback-note-{entry.id}").set_value("a rib").run()
    assert not app.exception
    (entry,) = history.list_entries()
    assert (entry.verdict, entry.note, entry.times) == ("disagree", "a rib", 1)


def test_a_damaged_history_leaves_the_answer_standing(own_home: Path) -> None:
    (own_home / history.DATABASE_NAME).write_bytes(b"no database" * 500)
    app = run()
    assert any("damaged" in warning.value for warning in app.warning)
    assert "Reliability of this prediction" in html(app)


def test_a_locked_history_leaves_the_answer_standing(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_BUSY_TIMEOUT_S", 0.1)
    assert history.list_entries() == ()
    holder = sqlite3.connect(own_home / history.DATABASE_NAME, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    app = run()
    assert any("in use by another program" in warning.value for warning in app.warning)
    assert "Reliability of this prediction" in html(app)
    holder.close()


def test_without_a_history_nobody_is_asked(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINEFRAC_HISTORY", "off")
    app = run()
    assert not (own_home / history.DATABASE_NAME).exists()
    assert "History is off on this server (SPINEFRAC_HISTORY)" in html(app)


def test_dicom_results_are_offered_for_dicom_only(own_home: Path) -> None:
    assert "linked to the original study" in html(run("fracture-1.dcm"))
    told = html(run("fracture-2.png"))
    assert "only for DICOM input" in told
