"""A saved model measured on slices that it was not trained on, and how that differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spinefrac import imaging
from spinefrac.data.boxes import Box, read_boxes
from spinefrac.evaluation import pointing_game
from spinefrac.evaluation.dataset_shift import shift
from spinefrac.evaluation.metrics import summarize
from spinefrac.inference.predictor import Predictor
from spinefrac.records import CtSlice, Dataset, Item, Prediction
from spinefrac.store import card, evaluations
from spinefrac.store.card import DataSummary
from spinefrac.store.evaluations import Answers, Evaluation, Seen
from spinefrac.store.repository import SavedModel


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    *,
    keep: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Evaluation, Answers]:
    """Answer on every slice, measure at the model's own threshold, compare with out-of-fold.

    Parameters
    ----------
    predictor : Predictor
    dataset : Dataset
        A scanned folder.
    keep : bool
        Whether to keep the result with the model, see `store.evaluations`.
    progress : callable, optional
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
    before = Answers.out_of_fold(model.oof()) if model.measured else None

    def slices() -> Iterator[CtSlice]:
        for done, path in enumerate(dataset.paths):
            if progress:
                progress(done, len(dataset.paths))
            yield imaging.read(dataset.root / path)

    boxes = read_boxes(dataset.root)
    probabilities: list[float] = []
    pointed = _Pointed([], [], [])
    for item, answer in zip(dataset.items, predictor.predict_many(slices()), strict=True):
        probabilities.append(answer.probability)
        if item.label and item.path in boxes:
            pointed.add(item, answer, boxes[item.path])
    found = Answers(
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
        created=card.now(),
        data=DataSummary.of(dataset),
        metrics=summarize(found.labels, found.probabilities, found.groups, model.threshold),
        shift=shift(before.sample(), found.sample(), model.threshold) if before else {},
        seen=overlap(model, before, found, dataset.fingerprint),
        pointing=pointing_game.summarize(pointed.hits, pointed.chances, pointed.groups),
    )
    if keep:
        evaluations.keep(evaluation, found)
    return evaluation, found


@dataclass(frozen=True)
class _Pointed:
    """Where the heat maps of slices with a box point, gathered as the answers come."""

    hits: list[bool]
    chances: list[float]
    groups: list[str]

    def add(self, item: Item, answer: Prediction, boxes: Sequence[Box]) -> None:
        if answer.heatmap is None:
            return
        height, width = answer.heatmap.shape
        seen = answer.input.square
        inside = pointing_game.inside((height, width), boxes)[
            max(0, seen.top) : max(0, seen.top + seen.side),
            max(0, seen.left) : max(0, seen.left + seen.side),
        ]
        self.hits.append(pointing_game.hit(answer.heatmap, boxes))
        self.chances.append(float(inside.mean()) if inside.size else 0.0)
        self.groups.append(item.group)


def overlap(model: SavedModel, trained: Answers | None, found: Answers, fingerprint: str) -> Seen:
    """Count what a model was trained on among the slices that it is measured on."""
    if trained is None:
        return Seen(same_data=False, slices=None, group_names=0, known=False)
    known = set(trained.pixel_hashes)
    return Seen(
        same_data=fingerprint == model.data.fingerprint,
        slices=sum(digest in known for digest in found.pixel_hashes) if known else None,
        group_names=len(set(trained.groups.tolist()) & set(found.groups.tolist())),
    )
