"""Answers on many slices: the same as one by one, each failing alone, stopped when asked."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from spinefrac import imaging, settings
from spinefrac.data import phantom
from spinefrac.errors import ImageError
from spinefrac.imaging import collect, series_grouping
from spinefrac.inference import background_jobs, batch
from spinefrac.inference.agreement import describe_agreement
from spinefrac.inference.background_jobs import BackgroundJob
from spinefrac.inference.batch import SlicePrediction
from spinefrac.inference.predictor import Predictor, get_predictor
from spinefrac.records import InputCheck, ModelInput, Prediction, Square

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
    for part, answered in zip(parts, answers, strict=True):
        if part.file.name == "broken.png":
            assert "broken.png" in answered.error and "\n" not in answered.error
            assert answered.label == "" and not answered.typical
            continue
        alone = predictor.predict(part.read())
        assert answered.probability == pytest.approx(alone.probability, abs=1e-6)
        assert answered.label == alone.label
        assert answered.input_check == alone.input_check
        thumbnail = cv2.imdecode(np.frombuffer(answered.thumbnail, np.uint8), 0)
        assert max(thumbnail.shape) == batch.THUMBNAIL_SIZE_PX


def test_closing_early_leaves_the_rest_unread(predictor) -> None:
    fetched = []

    def fetch(most: int | None) -> bytes:
        fetched.append(1)
        raise ImageError("expected nothing")

    file = collect.SourceFile("x", 1, fetch)
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
        "Out of distribution": 1,
        "Unreadable": 1,
    }
    assert batch.filter_indices(answers, "Out of distribution") == [2]
    assert batch.filter_indices(answers, "no such filter") == [0, 1, 2, 3]
    rows = list(csv.DictReader(io.StringIO(batch.to_csv("m", answers))))
    assert [row["file"] for row in rows] == ["a.png", "'=HYPERLINK(1)", "page.png", "bad.png"]
    assert rows[0]["probability"] == "0.9" and rows[3]["error"].startswith("bad.png")
    records = json.loads(batch.to_json("m", answers))
    assert records[0]["label"] == "fracture" and records[0]["model"] == "m"
    assert records[2]["input_check"] == {"score": 50.0, "typical": False, "reason": "a page"}
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


def wait_for(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_a_job_keeps_what_it_found_and_says_how_far_it_is() -> None:
    step = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        step.wait(PATIENCE)
        yield 2

    job = BackgroundJob(items(), 2)
    wait_for(lambda: job.poll().done == 1)
    assert job.poll().running and job.results() == [1]
    step.set()
    assert job.wait(PATIENCE)
    progress = job.poll()
    assert (progress.state, progress.done, progress.total) == ("finished", 2, 2)


def test_a_cancelled_job_stops_after_the_item_in_hand_and_cleans_up() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            for number in range(10**9):
                time.sleep(0.001)
                yield number
        finally:
            closed.set()

    job = BackgroundJob(items(), 10**9)
    wait_for(lambda: job.poll().done > 2)
    job.cancel()
    assert job.wait(PATIENCE)
    assert job.poll().state == "cancelled" and closed.is_set()
    assert job.results() == list(range(job.poll().done))


def test_a_job_that_nobody_looks_at_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_jobs, "IDLE_TIMEOUT_S", 0.2)

    def items() -> Iterator[int]:
        while True:
            time.sleep(0.01)
            yield 0

    job = BackgroundJob(items(), 10**9)
    assert job.wait(PATIENCE)
    assert job.poll().state == "cancelled"


def test_a_job_that_fails_says_why_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    def foreseen() -> Iterator[int]:
        yield 1
        raise ImageError("expected a slice, got none")

    def unforeseen() -> Iterator[int]:
        yield 1
        raise RuntimeError("^".join(["Doe", "Jane"]))

    job = BackgroundJob(foreseen(), 2)
    job.wait(PATIENCE)
    assert job.poll().error == "expected a slice, got none" and job.results() == [1]
    other = BackgroundJob(unforeseen(), 2)
    other.wait(PATIENCE)
    assert other.poll().state == "failed" and "unexpected" in other.poll().error
    assert "Doe^Jane" not in caplog.text and "RuntimeError" in caplog.text


# --- agreement -------------------------------------------------------------------------


def prediction(model: str, probability: float, *, typical: bool = True) -> Prediction:
    pixels = np.zeros((2, 2), np.uint8)
    return Prediction(
        model=model,
        probability=probability,
        threshold=0.5,
        fold_probabilities=(probability,),
        heatmap=None,
        input=ModelInput(pixels, Square(0, 0, 2)),
        input_check=InputCheck(1.0, typical, "" if typical else "another"),
        milliseconds=1.0,
    )


def test_agreement_is_said_in_words() -> None:
    same = describe_agreement([prediction("a", 0.1), prediction("b", 0.3)])
    assert same == "All 2 models say no fracture. Probabilities from 10 % to 30 %."
    apart = describe_agreement([prediction("a", 0.1), prediction("b", 0.8), prediction("c", 0.9)])
    assert "disagree: 2 of 3 say fracture (b and c)" in apart
    strange = describe_agreement([prediction("a", 0.1), prediction("b", 0.2, typical=False)])
    assert "untypical for b" in strange
