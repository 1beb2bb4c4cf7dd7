"""``predict.py`` of an export predicts without this package, by the same preprocessing."""

import ast
import importlib
import sys

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spinefrac import imaging
from spinefrac.errors import ModelError
from spinefrac.exchange import archive, export_script, verification_slices
from spinefrac.records import CtSlice, Preprocessing

PACKAGES = {"numpy", "cv2", "preprocessing", export_script.PREPROCESSING_PACKAGE}


@pytest.fixture
def preprocessing(tmp_path, monkeypatch):
    """The module ``preprocessing`` of an export."""
    export_script.write_script(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("preprocessing")
    for name in [n for n in sys.modules if n.partition(".")[0] in PACKAGES - {"numpy", "cv2"}]:
        del sys.modules[name]


@pytest.fixture
def exported(small_model, tmp_path):
    """The folder of an export of a small model, before it is packed."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / archive.MODEL_FOLDER).mkdir()
    for path in small_model.path.iterdir():
        (folder / archive.MODEL_FOLDER / path.name).write_bytes(path.read_bytes())
    export_script.write_script(folder)
    return folder


def test_the_modules_need_numpy_and_opencv_alone(tmp_path):
    export_script.write_script(tmp_path)
    imported = set()
    for path in [tmp_path / "preprocessing.py", *tmp_path.rglob("spinefrac_preprocessing/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.partition(".")[0])
    assert imported - sys.stdlib_module_names == {"numpy", "cv2", "spinefrac_preprocessing"}


@pytest.mark.parametrize("bone_crop", [True, False])
@pytest.mark.parametrize("size", [16, 160])
def test_slices_are_preprocessed_as_here(preprocessing, bone_crop, size):
    for ct in verification_slices.render_slices():
        expected = imaging.to_input(ct, Preprocessing(size=size, bone_crop=bone_crop)).pixels
        found = preprocessing.to_input(ct.pixels.astype(np.uint8), size, bone_crop)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, expected)


# The exported module is the same for every example, so the fixture need not be made anew.
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.integers(1, 300),
    columns=st.integers(1, 300),
    size=st.sampled_from([16, 64, 160]),
    seed=st.integers(0, 2**32 - 1),
    smooth=st.booleans(),
)
def test_images_of_any_shape_are_preprocessed_as_here(
    preprocessing, rows, columns, size, seed, smooth
):
    pixels = np.random.default_rng(seed).integers(0, 256, (rows, columns)).astype(np.uint8)
    if smooth:
        pixels = cv2.GaussianBlur(pixels, (0, 0), 5)
        pixels = cv2.normalize(pixels, None, 0, 255, cv2.NORM_MINMAX).reshape(rows, columns)
    ct = CtSlice(pixels.astype(np.float32), False, "png")
    expected = imaging.to_input(ct, Preprocessing(size=size, bone_crop=False)).pixels
    np.testing.assert_array_equal(preprocessing.to_input(pixels, size, False), expected)


def test_the_script_predicts_without_this_package(small_model, exported, tmp_path, predict_slices):
    """In an interpreter that has the packages in requirements.txt and nothing else."""
    assert len((exported / "predict.py").read_text().split('"""')[2].splitlines()) <= 15
    images = export_script.write_images(tmp_path)
    probabilities, inputs = export_script.run_script(exported / "predict.py", images)
    np.testing.assert_allclose(probabilities, predict_slices(small_model.id), atol=1e-5)
    assert inputs.shape == (16 * small_model.preprocessing.size**2,)
    report = export_script.verify_script(small_model, exported, tmp_path)
    assert report["slices"] == 16 and report["largest_grey_difference"] == 0
    assert 0 <= report["largest_difference"] <= 1e-5


@pytest.mark.parametrize("missing", ["model/serving.onnx", "spinefrac_preprocessing/bone_crop.py"])
def test_a_script_that_fails_is_refused_in_one_line(exported, tmp_path, missing):
    (exported / missing).unlink()
    images = export_script.write_images(tmp_path)
    with pytest.raises(ModelError, match=r"predict\.py of the export does not run") as found:
        export_script.run_script(exported / "predict.py", images)
    assert "\n" not in str(found.value)


def test_a_script_that_needs_this_package_is_refused(exported, tmp_path):
    with (exported / "predict.py").open("a") as file:
        file.write("import spinefrac\n")
    with pytest.raises(ModelError, match="No module named 'spinefrac'"):
        export_script.run_script(exported / "predict.py", export_script.write_images(tmp_path))
