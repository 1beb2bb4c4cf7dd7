"""A saved model measured on slices that it was not trained on, and how that differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spinefrac import imaging
from spinefrac.data.boxes import Box, read_boxes
from spinefrac.evaluation import pointing_game
from spinefrac.evaluation.dataset_shift import metric_shift
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.inference.predictor import Predictor
from spinefrac.records import CtSlice, Dataset, Item, Prediction
from spinefrac.store import card, evaluations
from spinefrac.store.card import DataSummary
from spinefrac.store.evaluations import Evaluation, SlicePredictions, TrainingOverlap
from spinefrac.store.repository import SavedModel


def evaluate_external(
    predictor: Predictor,
    dataset: Dataset,
    *,
    save: bool = True,
    progress_callback: Callable[[int, int], None] | None = None,
) -> tuple[Evaluation, SlicePredictions]:
    """Answer on every slice, measure at the model's own threshold, compare with out-of-fold.

    Parameters
    ----------
    predictor : Predictor
    dataset : Dataset
        A scanned folder.
    save : bool
        Whether to keep the result with the model, see `store.evaluations`.
    progress_callback : callable, optional
        Called with the number of slices answered and of all.

    Returns
    -------
    Evaluation, Answers

    Raises
    ------
    ImageError, DatasetError, ModelError
        A slice cannot be read any more, there is nothing to measure, or no room to keep it.
    """
    model = predictor.model
    # First of all: the model may be deleted while it answers.
    before = (
        SlicePredictions.from_out_of_fold(model.load_out_of_fold())
        if model.has_out_of_fold
        else None
    )

    def slices() -> Iterator[CtSlice]:
        for done, path in enumerate(dataset.paths):
            if progress_callback:
                progress_callback(done, len(dataset.paths))
            yield imaging.read(dataset.root / path)

    boxes = read_boxes(dataset.root)
    probabilities: list[float] = []
    pointed = _PointingGameHits([], [], [])
    for item, answer in zip(dataset.items, predictor.predict_many(slices()), strict=True):
        probabilities.append(answer.probability)
        if item.label and item.path in boxes:
            pointed.add(item, answer, boxes[item.path])
    found = SlicePredictions(
        paths=dataset.paths,
        groups=dataset.groups,
        labels=dataset.labels,
        probabilities=np.array(probabilities),
        pixel_hashes=tuple(item.pixel_hash for item in dataset.items),
        subgroups=dataset.subgroups,
    )
    evaluation = Evaluation(
        model=model.id,
        card_hash=model.card_hash,
        folder=dataset.root.resolve().name,
        created=card.utc_now(),
        data=DataSummary.from_dataset(dataset),
        metrics=compute_metrics(found.labels, found.probabilities, found.groups, model.threshold),
        shift=metric_shift(before.to_inputs(), found.to_inputs(), model.threshold)
        if before
        else {},
        seen=training_overlap(model, before, found, dataset.fingerprint),
        pointing=pointing_game.summarize_hits(pointed.hits, pointed.chance_levels, pointed.groups),
    )
    if save:
        evaluations.save_evaluation(evaluation, found)
    return evaluation, found


@dataclass(frozen=True)
class _PointingGameHits:
    """Where the heat maps of slices with a box point, gathered as the answers come."""

    hits: list[bool]
    chance_levels: list[float]
    groups: list[str]

    def add(self, item: Item, prediction: Prediction, boxes: Sequence[Box]) -> None:
        if prediction.heatmap is None:
            return
        height, width = prediction.heatmap.shape
        seen = prediction.input.square
        inside = pointing_game.rasterize_boxes((height, width), boxes)[
            max(0, seen.top) : max(0, seen.top + seen.side),
            max(0, seen.left) : max(0, seen.left + seen.side),
        ]
        self.hits.append(pointing_game.is_hit(prediction.heatmap, boxes))
        self.chance_levels.append(float(inside.mean()) if inside.size else 0.0)
        self.groups.append(item.group)


def training_overlap(
    model: SavedModel,
    training_predictions: SlicePredictions | None,
    predictions: SlicePredictions,
    dataset_fingerprint: str,
) -> TrainingOverlap:
    """Count what a model was trained on among the slices that it is measured on."""
    if training_predictions is None:
        return TrainingOverlap(same_data=False, slices=None, group_names=0, known=False)
    known = set(training_predictions.pixel_hashes)
    return TrainingOverlap(
        same_data=dataset_fingerprint == model.data.fingerprint,
        slices=sum(digest in known for digest in predictions.pixel_hashes) if known else None,
        group_names=len(
            set(training_predictions.groups.tolist()) & set(predictions.groups.tolist())
        ),
    )
