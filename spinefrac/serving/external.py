"""A saved model measured on slices that it was not trained on, and how that differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from spinefrac import imaging
from spinefrac.evaluation.metrics import summarize
from spinefrac.evaluation.shift import shift
from spinefrac.records import CtSlice, Dataset
from spinefrac.serving.predictor import Predictor
from spinefrac.store import card, evaluations
from spinefrac.store.card import DataSummary
from spinefrac.store.evaluations import Answers, Evaluation, Seen
from spinefrac.store.saved import SavedModel


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

    def slices() -> Iterator[CtSlice]:
        for done, path in enumerate(dataset.paths):
            if progress:
                progress(done, len(dataset.paths))
            yield imaging.read(dataset.root / path)

    found = Answers(
        paths=dataset.paths,
        groups=dataset.groups,
        labels=dataset.labels,
        probabilities=np.array([a.probability for a in predictor.predict_many(slices())]),
        pixel_hashes=tuple(item.pixel_hash for item in dataset.items),
    )
    before = Answers.out_of_fold(model.oof()) if model.measured else None
    evaluation = Evaluation(
        model=model.id,
        card_hash=model.card_hash,
        folder=dataset.root.resolve().name,
        created=card.now(),
        data=DataSummary.of(dataset),
        metrics=summarize(found.labels, found.probabilities, found.groups, model.threshold),
        shift=shift(before.sample(), found.sample(), model.threshold) if before else {},
        seen=overlap(model, before, found, dataset.fingerprint),
    )
    if keep:
        evaluations.keep(evaluation, found)
    return evaluation, found


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
