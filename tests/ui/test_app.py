"""Every page run as Streamlit runs it, without a browser: what it shows and what it survives."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from spinefrac import imaging, settings
from spinefrac.data import phantom
from spinefrac.errors import ImageError
from spinefrac.imaging.series_grouping import SeriesSlice
from spinefrac.inference.predictor import Predictor
from spinefrac.records import NOT_A_MEDICAL_DEVICE
from tests.support import app as pages

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("predict", "train", "augmentation", "metrics", "models")


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit puts the folder of app.py on the path; here the pages are run one by one."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def demonstration() -> Path:
    folder = settings.models_dir() / "phantom-demo"
    if not folder.is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    return folder


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


def run(page: str) -> AppTest:
    app = pages.page(page, 30).run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def click_sample(app: AppTest, number: int = 0) -> AppTest:
    app.button(key=f"sample-{number}").click().run()
    assert not app.exception
    return app


def test_app_starts_on_upload_and_predict(empty_home: Path) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30).run()
    assert not app.exception
    assert "Upload &amp; Predict" in html(app)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_that_it_is_not_a_medical_device(page: str, empty_home: Path) -> None:
    assert NOT_A_MEDICAL_DEVICE in html(run(page))


@pytest.mark.parametrize("page", ["predict", "metrics", "models"])
def test_without_a_model_a_page_says_how_to_make_one(page: str, empty_home: Path) -> None:
    app = run(page)
    assert "no saved model yet" in app.info[0].value
    assert any("spinefrac train my-slices" in block.value for block in app.code)


@pytest.mark.parametrize("page", ["predict", "metrics", "models"])
def test_a_damaged_model_is_shown_as_such(page: str, empty_home: Path, demonstration: Path) -> None:
    copy = shutil.copytree(demonstration, empty_home / "models" / "spoilt")
    content = bytearray((copy / "serving.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "serving.onnx").write_bytes(content)
    app = run(page)
    told = "\n".join([html(app), *(error.value.replace("\\", "") for error in app.error)])
    assert "serving.onnx does not match its SHA-256" in told
    if page == "predict":
        assert app.selectbox(key="model").options == ["spoilt · damaged"]


@pytest.mark.parametrize("page", ["predict", "metrics", "models"])
def test_a_default_that_is_gone_leaves_the_others_usable(
    page: str, empty_home: Path, demonstration: Path
) -> None:
    shutil.copytree(demonstration, empty_home / "models" / "another")
    (empty_home / "models" / "default.txt").write_text("gone\n")
    app = run(page)
    assert "gone" in app.error[0].value
    chosen = [name for widget in app.multiselect for name in widget.value]
    assert "another" in html(app) + "".join([block.value for block in app.code] + chosen)


def test_a_volume_can_be_walked_through(demonstration: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    depth = 6
    image = phantom.render(0, 0, patients=2, slices=depth, seed=5, difficulty="easy", size=256)
    voxels = np.stack([image.hu.T[:, ::-1]] * depth, axis=2).astype(np.int16)
    volume = nibabel.Nifti1Image(voxels, np.diag([0.5, 0.5, 3.0, 1.0]))
    app = run("predict")
    app.file_uploader[0].upload("volume", volume.to_bytes(), "").run()
    assert not app.exception
    assert not app.error
    slider = app.slider(key="slice-2")
    assert (slider.min, slider.max, slider.value) == (1, depth, depth // 2 + 1)
    slider.set_value(1).run()
    assert "Probability of fracture" in html(app)


def test_the_samples_are_what_their_command_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spinefrac.ui.samples import make

    shipped = {path.name: path for path in make.FOLDER.glob("*-[1-3].*")}
    assert len(shipped) == 6
    monkeypatch.setattr(make, "FOLDER", tmp_path)
    make.main()
    assert {path.name for path in tmp_path.iterdir()} == set(shipped)
    for path in tmp_path.iterdir():
        made, kept = (imaging.read(source).pixels for source in (path, shipped[path.name]))
        # Another processor may round a few pixels otherwise.
        assert np.abs(made - kept).mean() < 0.01, "run python -m spinefrac.ui.samples.make"


def test_a_sample_is_predicted_with_its_uncertainty(demonstration: Path) -> None:
    told = html(click_sample(run("predict")))
    for part in ("Probability of fracture", "threshold", "Sensitivity", "Specificity", "slices of"):
        assert part in told
    assert "Label of this synthetic slice: <strong>fracture</strong>" in told


def test_a_rerun_predicts_nothing_anew(
    demonstration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    predict = Predictor.predict
    monkeypatch.setattr(Predictor, "predict", lambda self, ct: asked.append(1) or predict(self, ct))
    app = click_sample(run("predict"), 1)
    assert len(asked) == 1
    app.run()
    assert len(asked) == 1
    click_sample(app, 2)
    assert len(asked) == 2


def test_several_models_answer_on_the_same_slice(empty_home: Path, demonstration: Path) -> None:
    for name in ("phantom-demo", "another"):
        shutil.copytree(demonstration, empty_home / "models" / name)
    app = click_sample(run("predict"))
    app.multiselect(key="other-models").set_value(["another"]).run()
    assert not app.exception and not app.error
    told = html(app)
    assert "All 2 models predict fracture." in told
    assert '<div class="sf-card-title">another</div>' in told


def test_an_out_of_distribution_prediction_is_crossed_out_until_it_is_asked_for(
    demonstration: Path,
) -> None:
    import cv2

    colours = np.random.default_rng(0).integers(0, 255, (200, 260, 3)).astype(np.uint8)
    app = run("predict")
    app.file_uploader[0].upload("holiday.png", cv2.imencode(".png", colours)[1].tobytes(), "").run()
    assert not app.exception and not app.error
    assert "Crossed out" in html(app) and "Needs review" not in html(app)
    assert "less typical than all of the training slices" in html(app)
    app.button(key="show-prediction").click().run()
    assert "Crossed out" not in html(app)
    assert "do not rely on this prediction" in html(app)


def test_the_other_saved_model_can_be_chosen(empty_home: Path, demonstration: Path) -> None:
    for name in ("phantom-demo", "another"):
        shutil.copytree(demonstration, empty_home / "models" / name)
    app = run("predict")
    assert [option.split(" · ")[0] for option in app.selectbox(key="model").options] == [
        "phantom-demo",
        "another",
    ]
    app.selectbox(key="model").select_index(1).run()
    assert "About another" in html(app)


def test_an_error_is_one_line_and_letter_by_letter(
    demonstration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise ImageError("expected a slice, got <b>*this*</b>; choose another")

    app = run("predict")
    monkeypatch.setattr(SeriesSlice, "read", fail)
    click_sample(app, 3)
    (error,) = app.error
    assert "\n" not in error.value
    assert error.value == (r"Expected a slice\, got \<b\>\*this\*\<\/b\>\; choose another" + r"\.")


def test_what_nobody_foresaw_is_logged_without_its_message(
    demonstration: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    patient = "^".join(["Doe", "Jane"])  # not a line of source that a traceback would quote

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError(patient)

    app = run("predict")
    monkeypatch.setattr(SeriesSlice, "read", fail)
    with caplog.at_level(logging.ERROR):
        click_sample(app, 4)
    assert "Unexpected error" in app.error[0].value
    assert "unexpected RuntimeError" in caplog.text
    assert patient not in caplog.text + app.error[0].value


def test_metrics_are_those_of_the_card(demonstration: Path) -> None:
    from spinefrac.store import repository

    metrics = repository.load("phantom-demo").metrics
    app = run("metrics")
    cells = " ".join(button.label for button in app.button)
    told = html(app)
    for row in metrics.confusion_matrix:
        for count in row:
            assert f"{count:,}" in cells
    assert f'"value">{metrics.auc:.2f}</span>' in told


def test_the_server_process_never_imports_tensorflow(demonstration: Path) -> None:
    script = (
        "import sys\n"
        "from tests.support import app as pages\n"
        f"for page in {PAGES!r}:\n"
        "    app = pages.page(page, 30).run()\n"
        "    assert not app.exception\n"
        "    if page == 'predict':\n"
        "        app.button(key='sample-0').click().run()\n"
        "        assert not app.exception\n"
        "found = {'tensorflow', 'keras'} & set(sys.modules)\n"
        "sys.exit(f'imported: {found}' if found else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
