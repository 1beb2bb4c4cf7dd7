"""The phantom: known truth, the same from any number of processes, and nothing trivial."""

import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spinefrac.data.phantom import PhantomSummary, plan, render, write_phantom
from spinefrac.data.phantom.anatomy import Anatomy, level_at
from spinefrac.data.scan import scan
from spinefrac.errors import DatasetError
from spinefrac.imaging import read

SMALL = {"patients": 4, "slices": 3, "seed": 7, "size": 256}
DIFFICULTIES = ("easy", "standard", "hard")

#: Attributes of type 1 of the CT Image IOD (PS3.3, A.3) that are always required.
TYPE_1 = [
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality",
    "FrameOfReferenceUID", "ImageType", "PixelSpacing", "ImageOrientationPatient",
    "ImagePositionPatient", "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData",
    "RescaleIntercept", "RescaleSlope", "WindowWidth", "WindowCenter",
]  # fmt: skip
#: Attributes of type 2: must be there, may be empty.
TYPE_2 = [
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "ReferringPhysicianName", "StudyID", "AccessionNumber", "SeriesNumber",
    "PositionReferenceIndicator", "Manufacturer", "InstanceNumber", "SliceThickness", "KVP",
    "AcquisitionNumber", "PatientPosition",
]  # fmt: skip


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Path, PhantomSummary]:
    out = tmp_path_factory.mktemp("phantom") / "out"
    return out, write_phantom(out, **SMALL, workers=1)


# --- truth -------------------------------------------------------------------------------


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("size", [256, 512])
def test_only_the_fracture_differs_between_a_slice_and_its_unbroken_twin(difficulty, size):
    whole = {"patients": 20, "slices": 12, "seed": 3, "difficulty": difficulty, "size": size}
    for patient in range(0, 20, 5):
        place = (patient, patient % 12)
        broken = render(*place, **whole, fractured=True, noise=False)
        intact = render(*place, **whole, fractured=False, noise=False)
        inside = broken.mask.astype(bool)
        assert inside.any() and not intact.mask.any()
        assert (broken.label, intact.label) == (1, 0)
        change = np.abs(broken.hu - intact.hu)
        assert np.median(change[inside]) > 60
        # Shifted fragments change their surroundings too; what is 40 mm away stays as it is
        # but for the beam hardening, which looks at all bone.
        away = cv2.distanceTransform(1 - broken.mask, cv2.DIST_L2, 5) * broken.spacing_mm > 40
        assert change[away].max() < 5


def test_lines_are_darker_than_the_bone_they_run_through():
    whole = {"patients": 9, "slices": 4, "seed": 11, "difficulty": "easy", "noise": False}
    darker = []
    for patient in range(9):
        broken = render(patient, 1, **whole, fractured=True)
        intact = render(patient, 1, **whole, fractured=False)
        inside = broken.mask.astype(bool)
        darker.append(float((intact.hu - broken.hu)[inside].mean()))
    assert np.mean(darker) > 100


def test_a_line_is_as_wide_as_its_difficulty_says():
    narrow, wide = (
        np.mean(
            [
                np.percentile(cv2.distanceTransform(image.mask, cv2.DIST_L2, 5)[image.mask > 0], 90)
                * image.spacing_mm
                for image in (
                    render(p, 0, patients=12, slices=2, seed=5, difficulty=d, fractured=True)
                    for p in range(12)
                )
            ]
        )
        for d in ("hard", "easy")
    )
    assert narrow < wide
    assert 0.2 < narrow < 1.0 < 2 * wide < 5.0


def test_bone_is_bone_and_air_is_air():
    image = render(0, 0, patients=2, slices=2, seed=1, noise=False)
    assert image.hu.dtype == np.float32 and image.hu.shape == (512, 512)
    assert image.hu.min() < -900 and 700 < np.percentile(image.hu, 99.9) < 2500
    assert 140 / 512 < image.spacing_mm < 225 / 512


def test_both_sizes_show_the_same_anatomy():
    where = {"patients": 3, "slices": 2, "seed": 9, "noise": False, "fractured": True}
    large, small = render(1, 0, **where, size=512), render(1, 0, **where, size=256)
    assert small.spacing_mm == pytest.approx(2 * large.spacing_mm)
    halved = cv2.resize(large.hu, (256, 256), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(halved.ravel(), small.hu.ravel())[0, 1] > 0.98


def test_what_holds_over_a_patients_slices():
    one, other = (render(3, s, patients=5, slices=6, seed=2) for s in (0, 5))
    assert (one.spacing_mm, one.region) == (other.spacing_mm, other.region)


# --- labels ------------------------------------------------------------------------------


@given(patients=st.integers(2, 200), slices=st.integers(2, 40), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_fractured_patients_have_slices_of_both_classes(patients, slices, seed):
    table = plan.sample_labels(patients, slices, seed)
    fractured = table.any(axis=1)
    assert 0 < fractured.sum() < patients
    assert (table[fractured].sum(axis=1) < slices).all()


@pytest.mark.parametrize("seed", [0, 7, 123])
def test_classes_and_patients_are_about_balanced(seed):
    table = plan.sample_labels(60, 12, seed)
    assert 0.4 <= table.mean() <= 0.6
    assert 0.45 <= table.any(axis=1).mean() <= 0.6


def test_position_in_the_series_says_nothing():
    table = np.vstack([plan.sample_labels(400, 12, seed) for seed in range(5)])
    share = table.mean(axis=0)
    assert share.max() - share.min() < 0.06  # 2,000 patients: three standard errors


def test_neither_level_nor_region_depends_on_the_label():
    table = plan.sample_labels(500, 12, 4)
    seen: dict[str, list[int]] = {}
    for patient, row in enumerate(table):
        anatomy = Anatomy.sample(plan.patient_generator(4, patient, plan.RandomStream.ANATOMY), 12)
        for slice_, label in enumerate(row):
            for value in (anatomy.region, level_at(anatomy.relative_height(slice_))):
                seen.setdefault(str(value), [0, 0])[label] += 1
    of_all = np.bincount(table.ravel())
    assert len(seen) == 7
    for value, counts in seen.items():
        rates = counts / of_all
        assert abs(rates[0] - rates[1]) < 0.07, value


# --- nothing trivial ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_a_thumbnail_does_not_solve_it(difficulty, tmp_path):
    write_phantom(tmp_path / "out", patients=48, slices=6, seed=7, difficulty=difficulty, size=256)
    rows = json.loads((tmp_path / "out/phantom.json").read_text())["slices_truth"]
    labels = np.array([row["label"] for row in rows])
    patients = np.array([row["patient"] for row in rows])
    paths = [tmp_path / "out" / row["path"] for row in rows]
    pictures = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]
    thumbnails = np.array(
        [cv2.resize(p, (16, 16), interpolation=cv2.INTER_AREA).ravel() for p in pictures]
    )
    sums = np.array(
        [(p.mean(), p.std(), path.stat().st_size) for p, path in zip(pictures, paths, strict=True)]
    )
    for features in (thumbnails, sums):
        assert grouped_auc(features, labels, patients) < 0.65


def grouped_auc(features: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> float:
    """Out-of-fold AUC of a logistic regression, patients kept whole."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(
        model, features, labels, groups=groups, cv=folds, method="decision_function"
    )
    return float(roc_auc_score(labels, scores))


# --- files -------------------------------------------------------------------------------


def test_the_same_bytes_from_one_process_and_from_two(written, tmp_path):
    out, _ = written
    write_phantom(tmp_path / "again", **SMALL, workers=2)
    assert files_of(tmp_path / "again") == files_of(out)


def test_another_seed_gives_other_pictures():
    one, other = (render(0, 0, patients=2, slices=2, seed=s, size=256).hu for s in (1, 2))
    assert not np.array_equal(one, other)


def test_what_is_written(written):
    out, summary = written
    truth = json.loads((out / "phantom.json").read_text())
    assert truth["complete"] and len(truth["slices_truth"]) == 12 == summary.slices
    assert summary.fracture + summary.normal == 12 and summary.fracture > 0
    for row in truth["slices_truth"]:
        picture = cv2.imread(str(out / row["path"]), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (256, 256) and picture.dtype == np.uint8
        assert (row["mask"] is not None) == bool(row["label"])
        if row["mask"]:
            mask = cv2.imread(str(out / row["mask"]), cv2.IMREAD_UNCHANGED)
            assert set(np.unique(mask)) == {0, 255}
    masks = {path.name for path in (out / "masks").iterdir()}
    assert masks == {path.name for path in (out / "fracture").iterdir()}


def test_the_scan_finds_classes_and_patients_and_no_masks(written):
    out, summary = written
    dataset = scan(out)
    assert len(dataset.items) == summary.slices
    assert int(dataset.labels.sum()) == summary.fracture
    assert len(set(dataset.groups)) == summary.patients


def test_progress_is_told(tmp_path):
    told: list[tuple[int, int]] = []
    write_phantom(tmp_path / "out", patients=2, slices=5, seed=1, size=256, workers=1,
          progress=lambda done, of: told.append((done, of)))  # fmt: skip
    assert told[-1] == (10, 10) and all(a < b for (a, _), (b, _) in pairwise(told))


# --- DICOM -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dicom(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("phantom") / "dicom"
    write_phantom(out, patients=2, slices=3, seed=7, size=256, format="dicom", workers=1)
    return out


def test_dicom_has_what_the_standard_requires(dicom):
    files = sorted(dicom.rglob("*.dcm"))
    assert len(files) == 6
    headers = [pydicom.dcmread(path) for path in files]
    for header in headers:
        for keyword in TYPE_1:
            assert keyword in header and header[keyword].value not in (None, ""), keyword
        for keyword in TYPE_2:
            assert keyword in header, keyword
        assert header.file_meta.MediaStorageSOPInstanceUID == header.SOPInstanceUID
        assert header.Modality == "CT" and header.BurnedInAnnotation == "NO"
        assert header.SOPInstanceUID.startswith("2.25.") and header.SOPInstanceUID.is_valid
        assert str(header.PatientName).startswith("Phantom^")
        for element in header:
            if element.VR == "DS":
                values = element.value if element.VM > 1 else [element.value]
                assert all(len(str(value)) <= 16 for value in values), element
    assert len({h.SOPInstanceUID for h in headers}) == 6
    assert len({h.SeriesInstanceUID for h in headers}) == len({h.PatientID for h in headers}) == 2
    heights = sorted({h.ImagePositionPatient[2] for h in headers})
    assert np.allclose(np.diff(heights)[0], heights[1] - heights[0])


def test_dicom_reads_back_as_the_rendered_densities(dicom):
    row = json.loads((dicom / "phantom.json").read_text())["slices_truth"][2]
    image = render(0, 2, patients=2, slices=3, seed=7, size=256)
    ct = read(dicom / row["path"])
    assert ct.calibrated and ct.spacing_mm == pytest.approx((image.spacing_mm,) * 2, abs=1e-5)
    assert np.abs(ct.pixels - image.hu).max() <= 0.5


# --- refusals ----------------------------------------------------------------------------


def test_a_folder_with_anything_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match="not empty"):
        write_phantom(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_another_phantom_is_not_overwritten(written):
    out, _ = written
    with pytest.raises(DatasetError, match="does not hold this phantom"):
        write_phantom(out, **{**SMALL, "seed": 8})


def test_an_interrupted_phantom_is_completed(written, tmp_path):
    out, _ = written
    again = tmp_path / "again"

    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(again, **SMALL, workers=1, progress=stop)
    assert not json.loads((again / "phantom.json").read_text())["complete"]
    assert not list(again.rglob("*.tmp"))
    write_phantom(again, **SMALL, workers=1)
    assert files_of(again) == files_of(out)


@pytest.mark.parametrize(
    "wrong",
    [
        {"difficulty": "impossible"},
        {"format": "jpeg"},
        {"size": 300},
        {"patients": 0},
        {"slices": 0},
        {"seed": -1},
    ],
)
def test_wrong_parameters_are_named(tmp_path, wrong):
    with pytest.raises(DatasetError):
        write_phantom(tmp_path / "out", **{**SMALL, **wrong})
    assert not (tmp_path / "out").exists()
