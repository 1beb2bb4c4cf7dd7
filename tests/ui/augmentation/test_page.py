"""The Augmentation page as Streamlit runs it: it shows what training sees, to the last bit."""

from __future__ import annotations

import base64
import io
import re
import shutil
import zipfile
from html import unescape
from pathlib import Path

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.access import users
from spinefrac.access.policy import LOCAL, Identity, Role
from spinefrac.data.scan import load_inputs, scan
from spinefrac.records import Preprocessing
from spinefrac.training.augmentation import presets as sets
from spinefrac.training.augmentation.config import PRESETS, AugmentationConfig
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.train_fold import _BatchGenerator
from spinefrac.training.workspace import RunWorkspace
from tests.support import app as pages

ROOT = Path(__file__).resolve().parents[3]
SIZE = 96


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Run the page in a home of its own."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    monkeypatch.delenv("SPINEFRAC_DATA_ROOTS", raising=False)
    return tmp_path


@pytest.fixture
def data(from_the_checkout: Path) -> Path:
    """Six slices of three patients below the home's data folder; one file that is no picture."""
    folder = from_the_checkout / "data" / "slices"
    rng = np.random.default_rng(3)
    for patient in range(3):
        for kind in ("fracture", "normal"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            picture = rng.integers(0, 256, (64, 64), np.uint8)
            large = cv2.resize(picture, (128, 128), interpolation=cv2.INTER_CUBIC)
            assert cv2.imwrite(str(folder / kind / f"P{patient}_1.png"), large)
    return folder


def run() -> AppTest:
    app = pages.page("augmentation").run()
    return fine(app)


def fine(app: AppTest) -> AppTest:
    assert not app.exception
    assert not app.error, [error.value for error in app.error]
    return app


def control(app: AppTest, option: str):
    return next(group for group in app.button_group if option in group.options)


def view(app: AppTest, option: str) -> AppTest:
    control(app, option).set_value(option).run()
    return fine(app)


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def copies(app: AppTest) -> dict[int, np.ndarray]:
    """Return the copies of the grid by their epoch, decoded from what the browser gets."""
    found = re.findall(
        r'<img src="data:image/png;base64,([^"]+)" alt="Copy in epoch (\d+)"', html(app)
    )
    return {
        int(epoch): cv2.imdecode(
            np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_UNCHANGED
        )
        for content, epoch in found
    }


def moved(app: AppTest, name: str, value: object) -> AppTest:
    slider = next(s for s in app.slider if s.key.startswith(f"augmentation-{name}-"))
    slider.set_value(value).run()
    return fine(app)


class AnyModel:
    """What `_BatchGenerator` asks of a network: how many channels it takes."""

    inputs = (np.empty((0, SIZE, SIZE, 1)),)


# --- the page and the trainer are one ----------------------------------------------------


def test_the_page_shows_what_training_sees_to_the_last_byte(data: Path, tmp_path: Path) -> None:
    """For a data set, a seed, an epoch and an index: the batch of training and the page's PNG."""
    app = run()
    control(app, "Data set").set_value("Data set").run()
    fine(app)
    next(box for box in app.selectbox if box.label == "Image size").set_value(SIZE)
    next(box for box in app.selectbox if box.label == "Preset").set_value("strong")
    next(n for n in app.number_input if n.label.startswith("Slice, 1 to 6")).set_value(5)
    next(n for n in app.number_input if n.label == "Seed").set_value(7)
    app.run()
    moved(app, "rotation", (-10.0, 40.0))
    shown = copies(app)
    assert sorted(shown) == list(range(1, 25))

    config = AugmentationConfig(**{**PRESETS["strong"].to_dict(), "rotation": (-10.0, 40.0)})
    settings = TrainingSettings(
        seed=7, batch_size=2, preprocessing=Preprocessing(size=SIZE), augmentation=config
    )
    dataset = scan(data)
    plan = RunWorkspace(
        folder=tmp_path,
        settings=settings,
        inputs=load_inputs(dataset, settings.preprocessing),
        labels=dataset.labels,
        groups=dataset.groups,
        folds=np.zeros(6, np.int64),
    )
    batches = _BatchGenerator(AnyModel(), None, plan, np.arange(6), seed=123)
    index = 4
    for epoch in (1, 2, 17):
        order = np.random.default_rng((123, epoch)).permutation(np.arange(6)).tolist()
        seen = np.concatenate([images for images, *_ in batches.iterate_epoch(epoch)])
        trained_on = seen[order.index(index), ..., 0]
        assert trained_on.astype(np.uint8).tobytes() == shown[epoch].tobytes()
    assert len({picture.tobytes() for picture in shown.values()}) == 24


def test_next_advances_the_seed_and_every_picture() -> None:
    app = run()
    before = copies(app)
    next(button for button in app.button if button.label == "Next seed").click().run()
    fine(app)
    assert app.session_state["augmentation-seed"] == 1
    after = copies(app)
    assert not any(np.array_equal(before[epoch], after[epoch]) for epoch in before)
    assert any("Seed 1, slice 1" in caption.value for caption in app.caption)


def test_switching_all_off_shows_the_slice_itself() -> None:
    app = run()
    next(box for box in app.selectbox if box.label == "Preset").set_value("off").run()
    pictures = {picture.tobytes() for picture in copies(fine(app)).values()}
    assert len(pictures) == 1
    assert "All transforms are off" in view(app, "Transforms").info[0].value
    assert "All transforms are off" in view(app, "Diagnostics").info[0].value


def test_a_slider_changes_its_transform_only() -> None:
    app = run()
    view(app, "Apply and export")
    moved(app, "zoom", (-20.0, 30.0))
    moved(app, "noise-probability", 40)
    call = next(block.value for block in app.code if "AugmentationConfig(" in block.value)
    config = eval(call.split("\n\n")[1], {"AugmentationConfig": AugmentationConfig})
    assert config == AugmentationConfig(zoom=(-0.2, 0.3), noise_probability=0.4)


def test_values_finer_than_a_slider_stay_as_they_are() -> None:
    config = AugmentationConfig(rotation=(0.123, 7.77), flip=False, noise_probability=0.333)
    sets.save(LOCAL, "fine", config)
    app = run()
    next(box for box in app.selectbox if box.label == "Preset").set_value("fine").run()
    view(app, "Apply and export")
    assert config.to_python_code() in "".join(block.value for block in app.code)
    assert any("--augmentation fine" in block.value for block in app.code)


def test_a_range_that_destroys_the_fracture_is_warned_of() -> None:
    app = run()
    assert "No transform removes the fracture" in html(app)
    moved(app, "shift", (-30.0, 30.0))
    assert "Shift −30" in html(app)
    assert "fracture's pixels leave" in unescape(html(app))
    moved(app, "shift", (-6.0, 6.0))
    moved(app, "contrast", (-90.0, 0.0))
    assert "Contrast −90" in html(app) and "of its contrast" in html(app)


def test_every_view_and_mode_can_be_shown() -> None:
    app = run()
    for mode in ("Copies", "Difference"):
        view(app, mode)
        assert html(app).count("<figure") == 25
    for name, part in (("Transforms", "sharpness"), ("Animation", "image/gif"), ("Histogram", "")):
        if name == "Transforms":
            next(b for b in app.selectbox if b.label == "Preset").set_value("strong").run()
        view(app, name)
        assert part in html(app)
    view(app, "Animation")
    view(app, "Manual")
    assert "image/gif" not in html(app)


def test_without_a_model_the_diagnostics_say_so() -> None:
    app = view(run(), "Diagnostics")
    assert any("no saved model" in caption.value for caption in app.caption)
    assert "All transforms together" in html(app)


def test_the_diagnostics_say_whether_a_model_is_invariant(from_the_checkout: Path) -> None:
    if not (ROOT / "models/phantom-demo").is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    shutil.copytree(ROOT / "models/phantom-demo", from_the_checkout / "models/phantom-demo")
    app = view(run(), "Diagnostics")
    (said,) = [caption.value for caption in app.caption if "invariant" in caption.value]
    assert re.search(
        r"of 64 (?:copies )?\\\(\d+ %\\, 95 % (?:interval|CI) \d+ to \d+ %\\\)",
        said.replace("\\%", "%"),
    )
    assert html(app).count('class="network"') == 64


# --- apply and export -------------------------------------------------------------------


def test_saving_offering_replacing_deleting() -> None:
    app = view(run(), "Apply and export")
    moved(app, "rotation", (-3.0, 3.0))
    app.text_input(key="augmentation-name").set_value("Three Degrees")
    save = next(button for button in app.button if button.label == "Save")
    save.click().run()
    assert "lower\\-case letters" in app.error[0].value
    app.text_input(key="augmentation-name").set_value("three-degrees")
    next(button for button in app.button if button.label == "Save").click().run()
    fine(app)
    assert sets.load(LOCAL, "three-degrees") == AugmentationConfig(rotation=3)
    start = next(box for box in app.selectbox if box.label == "Preset")
    assert start.value == "three-degrees" == app.session_state["augmentation-preset"]
    next(b for b in app.button if b.label == "Delete three-degrees").click().run()
    fine(app)
    assert [entry.name for entry in sets.list_augmentations(LOCAL)] == list(PRESETS)


def test_a_preset_is_seen_by_others_once_it_is_shared() -> None:
    for name in ("kim", "tom"):
        users.add(name, Role.TRAINER)
    sets.save(Identity("kim", Role.TRAINER), "gentle", AugmentationConfig(rotation=3))

    def open_as(name: str) -> AppTest:
        return fine(pages.sign_in(pages.page("augmentation"), name).run())

    def options(app: AppTest) -> list[str]:
        return next(box for box in app.selectbox if box.label == "Preset").options

    assert "kim/gentle" not in options(open_as("tom"))
    app = open_as("kim")
    next(box for box in app.selectbox if box.label == "Preset").set_value("gentle").run()
    app = view(app, "Apply and export")
    assert app.button(key="preset-share").label == "Share"
    fine(app.button(key="preset-share").click().run())
    assert app.button(key="preset-share").label == "Make private"
    assert "kim/gentle" in options(open_as("tom"))


@pytest.mark.parametrize("content", ["rotation: fast", "rotation: 1:30", "[" * 3_000, "\0"])
def test_a_damaged_set_is_said_and_the_page_goes_on(from_the_checkout: Path, content: str) -> None:
    sets.save(LOCAL, "spoilt", AugmentationConfig()).write_text(content)
    app = pages.page("augmentation").run()
    assert not app.exception
    assert "saved augmentation spoilt" in app.error[0].value
    assert len(copies(app)) == 24


def test_copies_of_a_data_set_are_written_from_the_page(
    data: Path, from_the_checkout: Path
) -> None:
    app = run()
    control(app, "Data set").set_value("Data set").run()
    view(app, "Apply and export")
    next(box for box in app.text_input if box.label == "New folder").set_value("my-copies")
    next(b for b in app.button if b.label.startswith("Write copies of all 6")).click().run()
    fine(app)
    assert "24 copies" in app.success[0].value
    assert len(list((from_the_checkout / "augmented/my-copies").rglob("*-augmented?.png"))) == 24


def test_copies_of_one_slice_as_a_zip(data: Path) -> None:
    from spinefrac.training.augmentation.export import export_slice_zip

    pixels = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8)
    content = export_slice_zip(pixels, AugmentationConfig(), 3, 0, 4, "P012_03.dcm")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [
            *(f"P012_03-augmented{n}.png" for n in (1, 2, 3, 4)),
            "P012_03.png",
            "augmentation.yaml",
        ]


def test_no_data_set_and_rubbish_are_said_in_one_line() -> None:
    app = run()
    control(app, "Data set").set_value("Data set").run()
    assert not app.exception and "No data set" in app.info[0].value
    control(app, "Upload").set_value("Upload").run()
    app.file_uploader[0].upload("x.png", b"not a picture", "image/png").run()
    assert not app.exception
    assert len(app.error) == 1 and "\n" not in app.error[0].value
    assert app.error[0].value.startswith("Expected a PNG")
