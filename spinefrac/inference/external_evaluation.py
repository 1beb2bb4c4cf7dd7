"""External evaluation: metrics of a saved model on a labelled data set of other slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.data.boxes import Box, read_boxes
from spinefrac.evaluation import deferral, pointing_game
from spinefrac.evaluation.by_grade import GradeSummary, summarize_by_grade
from spinefrac.evaluation.dataset_shift import metric_shift, stack_networks
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.imaging import decoder_pool
from spinefrac.inference import uncertainty
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
    """Predict every slice, compute metrics at the model's threshold, compare with out-of-fold.

    The metrics are those of the ensemble, the comparison is of its single networks, as the
    out-of-fold predictions are theirs.

    Parameters
    ----------
    predictor : Predictor
    dataset : Dataset
        A scanned folder.
    save : bool
        Whether to save the result with the model, see `store.evaluations`.
    progress_callback : callable, optional
        Called with the number of slices predicted and of all.

    Returns
    -------
    Evaluation, SlicePredictions

    Raises
    ------
    ImageError, DatasetError, ModelError
        A slice cannot be read any more, no metric is defined, or the result cannot be saved.
    """
    model = predictor.model
    model.require_slices()
    # Read first: the model may be deleted during the predictions.
    training = (
        SlicePredictions.from_out_of_fold(model.load_out_of_fold())
        if model.has_out_of_fold
        else None
    )
    found, networks, grades, hits = _predict_dataset(predictor, dataset, progress_callback)
    evaluation = Evaluation(
        model=model.id,
        card_hash=model.card_hash,
        folder=dataset.root.resolve().name,
        created=card.utc_now(),
        data=DataSummary.from_dataset(dataset),
        metrics=compute_metrics(found.labels, found.probabilities, found.groups, model.threshold),
        shift=metric_shift(
            training.to_inputs(),
            stack_networks(found.labels, networks, found.groups),
            model.threshold,
        )
        if training
        else {},
        compares_networks=training is not None,
        seen=training_overlap(model, training, found, dataset.fingerprint),
        pointing=pointing_game.summarize_hits(hits.hits, hits.chance_levels, hits.groups),
        by_grade=_summarize_by_grade(model, found, grades),
    )
    if save:
        evaluations.save_evaluation(evaluation, found)
    return evaluation, found


def _summarize_by_grade(
    model: SavedModel, found: SlicePredictions, grades: list[str]
) -> tuple[GradeSummary, ...]:
    """Return how the model does by grade; nothing where its input check gave none."""
    if not all(grades):
        return ()
    band = uncertainty.uncertainty_profile(model).abstention_band if model.has_out_of_fold else None
    outside = None
    if band is not None:
        outside = deferral.outside_band_mask(
            found.probabilities, band.threshold, band.confidence_threshold
        )
    return summarize_by_grade(found.to_inputs(), grades, model.threshold, outside)


def _predict_dataset(
    predictor: Predictor,
    dataset: Dataset,
    progress_callback: Callable[[int, int], None] | None,
) -> tuple[SlicePredictions, npt.NDArray[np.float64], list[str], _PointingGameHits]:
    """Return predictions, those of each network (N, K), grades, and the pointing game on boxes."""

    def slices() -> Iterator[CtSlice]:
        for done, path in enumerate(dataset.paths):
            if progress_callback:
                progress_callback(done, len(dataset.paths))
            yield decoder_pool.read(dataset.root / path)

    boxes = read_boxes(dataset.root)
    probabilities: list[float] = []
    networks: list[tuple[float, ...]] = []
    grades: list[str] = []
    hits = _PointingGameHits([], [], [])
    for item, prediction in zip(dataset.items, predictor.predict_many(slices()), strict=True):
        probabilities.append(prediction.probability)
        networks.append(prediction.fold_probabilities)
        grades.append(prediction.input_check.grade if prediction.input_check else "")
        if item.label and item.path in boxes:
            hits.add(item, prediction, boxes[item.path])
    found = SlicePredictions(
        paths=dataset.paths,
        groups=dataset.groups,
        labels=dataset.labels,
        probabilities=np.array(probabilities),
        pixel_hashes=tuple(item.pixel_hash for item in dataset.items),
        subgroups=dataset.subgroups,
    )
    return found, np.array(networks), grades, hits


@dataclass(frozen=True)
class _PointingGameHits:
    """Whether the maximum of the heat map is in a box, for each slice with one."""

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
    """Count the training slices of a model among the slices that it is evaluated on."""
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
