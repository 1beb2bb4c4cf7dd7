"""Recalibrate a saved model for another site: a model beside it, with a card of its own.

Networks, reference and out-of-fold logits are those of the model; temperature and threshold are
fitted to labelled slices of the site. The model itself stays as it is: whoever wants to undo a
recalibration uses that again, or deletes the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from spinefrac import imaging, wording
from spinefrac.errors import DatasetError
from spinefrac.evaluation import operating_point
from spinefrac.evaluation.calibration import apply_temperature
from spinefrac.evaluation.metrics import Metrics, compute_metrics
from spinefrac.evaluation.recalibration import Recalibration, fit_site
from spinefrac.imaging import decoder_pool
from spinefrac.inference.predictor import BATCH_SIZE, Predictor
from spinefrac.records import Dataset
from spinefrac.store import card as cards
from spinefrac.store import repository, saving
from spinefrac.store.card import Calibration, FileRecord, ParentModel
from spinefrac.store.repository import SavedModel

#: What `ParentModel.how` says of it.
HOW = "recalibration"


def recalibrate(
    predictor: Predictor,
    dataset: Dataset,
    new_id: str,
    *,
    rule: str = "",
    created_by: str = "",
    progress_callback: Callable[[int, int], None] | None = None,
) -> SavedModel:
    """Fit temperature and threshold to a site, and save the result under another name.

    Parameters
    ----------
    predictor : Predictor
        Of the model.
    dataset : Dataset
        Labelled slices of the site, as scanned.
    new_id : str
    rule : str
        For the threshold; that of the model, or Youden's where it has none.
    created_by : str
        Who asked for it, where users are known.
    progress_callback : callable, optional
        Called with the number of slices predicted and of all.

    Returns
    -------
    SavedModel

    Raises
    ------
    DatasetError
        The slices were used to train the model, or are of too few patients.
    ModelError, ImageError
        The name is in use, or a slice cannot be read.
    """
    model = predictor.model
    model.require_slices()
    saving.check_id_unused(new_id)
    _refuse_training_data(model, dataset)
    logits = np.concatenate(list(_predict_logits(predictor, dataset, progress_callback)))
    temperature, point, found = fit_site(
        logits,
        dataset.labels,
        dataset.groups,
        temperature=model.temperature,
        threshold=model.threshold,
        rule=rule or _get_rule(model),
        fingerprint=dataset.fingerprint,
    )
    with saving.create_model_folder(new_id) as folder:
        for name in model.card.files:
            (folder / name).write_bytes(model.read_file(name))
        card = replace(
            model.card,
            id=new_id,
            note=f"{model.note or model.id}: recalibrated for another site",
            created=cards.utc_now(),
            calibration=Calibration(temperature, describe(found)),
            operating_point=point,
            recalibration=found,
            synthetic=model.is_synthetic,
            metrics=_rewrite_out_of_fold(model, folder, temperature, point.threshold),
            parent=ParentModel(model.id, model.card_hash, HOW),
            trained_by=created_by,
            former_sha256=(),
            schema_version=cards.SCHEMA_VERSION,
            files={
                name: FileRecord(*repository.hash_file(folder / name)) for name in model.card.files
            },
        )
        (folder / repository.CARD_FILE).write_bytes(cards.dump(card))
    return repository.load(new_id)


def _rewrite_out_of_fold(
    model: SavedModel, folder: Path, temperature: float, threshold: float
) -> Metrics | None:
    """Write the out-of-fold table with the new temperature; return its metrics at the threshold."""
    if not model.has_out_of_fold:
        return None
    oof = model.load_out_of_fold()
    probabilities = apply_temperature(oof.logits, temperature)
    table = folder / repository.OOF_FILE
    saving.write_out_of_fold(table, replace(oof, probabilities=probabilities))
    return compute_metrics(oof.labels, probabilities, oof.groups, threshold)


def describe(found: Recalibration) -> str:
    """Say what temperature and threshold were fitted to, and what that is worth there."""
    intervals = [
        wording.format_interval(pair) if pair else "unknown"
        for pair in (found.temperature_ci, found.threshold_ci)
    ]
    before, after = found.before, found.after
    return (
        f"temperature scaling on {found.slices:,} labelled slices of {found.groups:,} patients of "
        f"another site (95 % CI of the temperature {intervals[0]}, of the threshold "
        f"{intervals[1]}). On patients of that site it was not fitted to, log loss "
        f"{before.log_loss:.3f} became {after.log_loss:.3f}, sensitivity {before.sensitivity:.2f} "
        f"became {after.sensitivity:.2f}, specificity {before.specificity:.2f} became "
        f"{after.specificity:.2f}"
    )


def _get_rule(model: SavedModel) -> str:
    """Return the rule that the model's threshold was chosen by, where that was one."""
    rule = model.card.operating_point.rule
    try:
        operating_point.parse_rule(rule)
    except DatasetError:
        return "youden"
    return rule


def _refuse_training_data(model: SavedModel, dataset: Dataset) -> None:
    """Refuse slices that the model was trained on: for them every model is too good."""
    known: set[str] = set()
    if model.has_out_of_fold:
        known = set(model.load_out_of_fold().pixel_hashes)
    seen = sum(item.pixel_hash in known for item in dataset.items)
    if seen:
        raise DatasetError(
            f"Expected slices that {model.id} was not trained on, got {seen} of "
            f"{len(dataset.items)} that it was: leave those out."
        )


def _predict_logits(
    predictor: Predictor, dataset: Dataset, progress: Callable[[int, int], None] | None
) -> Iterator[np.ndarray]:
    """Yield mean logits of the ensemble, batch by batch."""
    for start in range(0, len(dataset.paths), BATCH_SIZE):
        paths = dataset.paths[start : start + BATCH_SIZE]
        slices = [decoder_pool.read(dataset.root / path) for path in paths]
        inputs = [imaging.to_input(ct, predictor.model.preprocessing).pixels for ct in slices]
        logits, _ = predictor.run(np.stack(inputs))
        yield logits.astype(np.float64).mean(axis=1)
        if progress:
            progress(start + len(paths), len(dataset.paths))
