"""A phantom as a folder: the same from any number of processes, complete, and not trivial."""

import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spinefrac.data.phantom import PhantomSummary, read_varieties, write_phantom
from spinefrac.data.scan import scan
from spinefrac.errors import DatasetError

SMALL = {"patients": 4, "slices": 3, "seed": 7, "size": 256}


DIFFICULTIES = ("easy", "standard", "hard")


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


def test_the_same_bytes_from_one_process_and_from_two(written, tmp_path):
    out, _ = written
    write_phantom(tmp_path / "again", **SMALL, workers=2)
    assert files_of(tmp_path / "again") == files_of(out)


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


def test_the_variety_of_each_slice_is_that_of_its_phantom(tmp_path):
    (tmp_path / "normal").mkdir()
    assert read_varieties(tmp_path, ["normal/a.png"]) == [""]
    for part, content in {
        "wide": {"patients": 3, "variety": "wide"},
        "old": {"patients": 3},
        "drawn": {"backgrounds": 3},
    }.items():
        (tmp_path / part).mkdir()
        (tmp_path / part / "phantom.json").write_text(json.dumps(content))
    paths = ["wide/normal/a.png", "old/normal/a.png", "drawn/normal/a.png", "normal/a.png"]
    assert read_varieties(tmp_path, paths) == ["wide", "narrow", "", ""]
    (tmp_path / "phantom.json").write_text(json.dumps({"patients": 3, "variety": "wide"}))
    assert read_varieties(tmp_path, ["normal/a.png", "old/a.png"]) == ["wide", "narrow"]
