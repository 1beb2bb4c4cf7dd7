"""A saved model without networks, and one that predicts, to write reports on."""

import csv
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pydicom
import pytest

from spinefrac import imaging
from spinefrac.data.phantom.dicom import to_dicom
from spinefrac.data.phantom.rendering import Series, render
from spinefrac.evaluation import metrics, operating_point
from spinefrac.evaluation.calibration import apply_temperature
from spinefrac.inference import occlusion
from spinefrac.inference.predictor import get_predictor
from spinefrac.records import EpochRecord, Preprocessing
from spinefrac.report import prediction_report
from spinefrac.store import card, repository
from spinefrac.store.card import Card, DataSummary, FoldRecord
from spinefrac.store.repository import SavedModel

SECRETS = ("Doe^Jane", "MRN-4711", "19481231", "ACC-99", "Dr^House", "Ward 7")


def made_up(folder: Path, *, one_class: bool = False, name: str = "made-up") -> SavedModel:
    """A saved model without networks: card, answers and history are all that a report reads."""
    rng = np.random.default_rng(0)
    groups = np.repeat([f"p{i}" for i in range(12)], 5)
    labels = np.zeros(60, int) if one_class else np.tile([0, 1, 0, 1, 0], 12)
    logits = 1.5 * (2 * labels - 1) + rng.normal(0, 1.5, 60)
    scores = apply_temperature(logits, 1.2)
    point = (
        operating_point.OperatingPoint(0.5, "youden", 0.0, 0.9)
        if one_class
        else operating_point.choose_threshold(labels, scores, groups, n_resamples=100)
    )
    path = folder / name
    path.mkdir()
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow((*repository.OOF_COLUMNS, "scanner"))
    for i in range(60):
        file = f"{'fracture' if labels[i] else 'normal'}/<b>{i:03}.png"
        numbers = (groups[i], labels[i], i // 5 % 3, logits[i], scores[i])
        writer.writerow((file, *numbers, "", "", f"Maker {i // 5 % 2}"))
    (path / repository.OOF_FILE).write_text(rows.getvalue())
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow(EpochRecord.__slots__)
    for fold in range(3):
        writer.writerows((fold, e, 1 / e, 1.1 / e, 0.5 + e / 20, 1e-3, 2.0) for e in range(1, 6))
    (path / repository.HISTORY_FILE).write_text(rows.getvalue())
    made = Card(
        id=name,
        note="made by a test & nothing else",
        created="2026-01-02T03:04:05+00:00",
        data=DataSummary("f" * 64, 60, 12, "file name", 24, 36, 2, ("a note",)),
        preprocessing=Preprocessing(),
        network="compact",
        parameters=12_345,
        settings={"epochs": 5, "seed": 7, "weights": None},
        folds=tuple(FoldRecord(f, 20, 4, 0.8 + f / 100, 5, 10.0, "0" * 64, 9) for f in range(3)),
        metrics=metrics.compute_metrics(labels, scores, groups, point.threshold, n_resamples=100),
        calibration=card.Calibration(1.2, "set by a test"),
        operating_point=point,
        input_check={},
        keras_onnx_max_difference=0.0,
        versions={"python": "3.11"},
        files={},
    )
    return SavedModel(path, made, "c" * 64)


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


@pytest.fixture
def model(no_home: None, tmp_path: Path) -> SavedModel:
    return made_up(tmp_path)


class Outline(HTMLParser):
    """Collects what an HTML file refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [
            value or "" for name, value in attrs if name in ("src", "href", "data", "xlink:href")
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


def outline(content: bytes) -> Outline:
    parser = Outline()
    parser.feed(content.decode())
    return parser


def secret(content):
    """Return a DICOM file whose header names a patient in many places."""
    header = pydicom.dcmread(io.BytesIO(content))
    header.PatientName, header.PatientID, header.PatientBirthDate = SECRETS[:3]
    header.AccessionNumber, header.ReferringPhysicianName = SECRETS[3:5]
    header.PatientAddress = SECRETS[5]
    header.StudyDate = "20240229"
    buffer = io.BytesIO()
    header.save_as(buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def predictor():
    return get_predictor("phantom-demo")


@pytest.fixture(scope="module")
def parts(predictor):
    series = Series(2, 4, 5, "standard", 256)
    made = []
    for position in range(2):
        image = render(0, position, patients=2, slices=4, seed=5, size=256)
        content = secret(to_dicom(image, series, 0, position))
        ct = imaging.read(content)
        prediction = predictor.predict(ct)
        check = occlusion.run_occlusion_test(predictor, prediction) if position == 0 else None
        made.append(
            prediction_report.ReportSlice(f"Slice {position + 1}", ct, prediction, content, check)
        )
    return made
