"""Answers on many slices: the same as one by one, each failing alone, stopped when asked."""

from __future__ import annotations

import csv
import io
import json

import cv2
import numpy as np
import pytest

from spinefrac import imaging, settings
from spinefrac.data import phantom
from spinefrac.errors import ImageError
from spinefrac.imaging import collect, series_grouping
from spinefrac.imaging.sources import Source
from spinefrac.inference import batch
from spinefrac.inference.batch import SlicePrediction
from spinefrac.inference.predictor import Predictor, get_predictor
from spinefrac.records import InputCheck

PATIENCE = 60.0


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    if not (settings.models_dir() / "phantom-demo").is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    return get_predictor("phantom-demo")


@pytest.fixture(scope="module")
def parts() -> tuple[series_grouping.SeriesSlice, ...]:
    brought = []
    for number in range(6):
        image = phantom.render(0, number, patients=2, slices=6, seed=9, size=256)
        grey = imaging.apply_window(image.hu, 500, 2000)
        brought.append(
            collect.file_from_bytes(f"{number}.png", cv2.imencode(".png", grey)[1].tobytes())
        )
    brought.insert(3, collect.file_from_bytes("broken.png", brought[0].read_bytes()[:300]))
    return series_grouping.group_into_series(brought).single_slices


def test_answers_are_those_of_one_by_one_in_their_order(predictor, parts) -> None:
    answers = list(batch.predict_slices(predictor, parts, with_thumbnails=True))
    assert [one.name for one in answers] == [part.file.name for part in parts]
    assert [one.name for one in answers if one.error] == ["broken.png"]
    for part, answered in zip(parts, answers, strict=True):
        if part.file.name == "broken.png":
            assert "broken.png" in answered.error and "\n" not in answered.error
            assert answered.label == "" and not answered.is_usable
            continue
        alone = predictor.predict(part.read())
        assert answered.probability == pytest.approx(alone.probability, abs=1e-6)
        assert answered.label == alone.label
        assert answered.input_check == alone.input_check
        thumbnail = cv2.imdecode(np.frombuffer(answered.thumbnail, np.uint8), 0)
        assert max(thumbnail.shape) == batch.THUMBNAIL_SIZE_PX


def test_closing_early_leaves_the_rest_unread(predictor) -> None:
    fetched = []

    def locate() -> Source:
        fetched.append(1)
        raise ImageError("expected nothing")

    file = collect.SourceFile("x", 1, locate)
    answers = batch.predict_slices(
        predictor, [series_grouping.SeriesSlice(file, series_grouping.SliceGeometry())] * 500
    )
    next(answers)
    answers.close()
    assert len(fetched) < 100


def answered(name: str, probability: float = 0.2, *, typical: bool = True) -> SlicePrediction:
    check = InputCheck(50.0, typical, "" if typical else "a page")
    return SlicePrediction(name, probability, 0.5, (probability,), check, 3.0)


def test_a_table_counts_filters_and_leaves_as_csv_and_json() -> None:
    answers = [
        answered("a.png", 0.9),
        answered("=HYPERLINK(1)", 0.1),
        answered("page.png", 0.1, typical=False),
        SlicePrediction("bad.png", error="bad.png: expected a slice"),
    ]
    assert batch.count_by_filter(answers) == {
        "All": 4,
        "Fracture": 1,
        "No fracture": 2,
        "Unlike the training slices": 1,
        "Unreadable": 1,
    }
    assert batch.filter_indices(answers, "Unlike the training slices") == [2]
    assert batch.filter_indices(answers, "no such filter") == [0, 1, 2, 3]
    rows = list(csv.DictReader(io.StringIO(batch.to_csv("m", answers))))
    assert [row["file"] for row in rows] == ["a.png", "'=HYPERLINK(1)", "page.png", "bad.png"]
    assert rows[0]["probability"] == "0.9" and rows[3]["error"].startswith("bad.png")
    records = json.loads(batch.to_json("m", answers))
    assert records[0]["label"] == "fracture" and records[0]["model"] == "m"
    assert records[2]["input_check"] == {
        "score": 50.0,
        "typical": False,
        "reason": "a page",
        "grade": "unlike",
        "nearest": [],
    }
    assert set(records[3]) == {"file", "error"}


def test_the_score_of_a_series_counts_typical_slices_until_told_otherwise() -> None:
    answers = [answered("a", 0.2), answered("b", 0.4), answered("c", 0.6)]
    strange = [answered("d", 0.9, typical=False)] * 3
    found = batch.pool_series_predictions("m", [*answers, *strange])
    assert found.score == pytest.approx(0.4) and found.peak_index == 1
    assert found.included.tolist() == [True] * 3 + [False] * 3
    assert batch.pool_series_predictions(
        "m", [*answers, *strange], include_out_of_distribution=True
    ).score == pytest.approx(0.9)
    assert batch.pool_series_predictions("m", strange).score == pytest.approx(0.9)
    assert batch.pool_series_predictions("m", []).peak_index == -1


def test_the_most_suspicious_slices_are_apart_and_the_highest_first() -> None:
    shares = [0.1, 0.8, 0.9, 0.85, 0.2, 0.1, 0.7, 0.1]
    answers = [answered(str(i), share) for i, share in enumerate(shares)]
    answers[7] = SlicePrediction("7", error="unreadable")
    found = batch.pool_series_predictions("m", answers)
    assert found.highest_slices(2) == [2, 6]
    assert found.errors == {7: "unreadable"}


# --- jobs ------------------------------------------------------------------------------
