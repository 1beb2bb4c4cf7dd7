"""Start a run from a saved model: from its settings, or from its weights on new data."""

from __future__ import annotations

from dataclasses import replace

from spinefrac.errors import DatasetError, ModelError, SpinefracError, TrainingError
from spinefrac.records import Dataset
from spinefrac.store import repository
from spinefrac.store.card import ParentModel
from spinefrac.training.settings import TrainingSettings, is_weights_file

#: What a run can start from: the settings of a saved model, or also its weights.
FINETUNING_MODES = ("settings", "weights")


def load_initial_settings(
    model_id: str, mode: str = "settings"
) -> tuple[TrainingSettings, ParentModel]:
    """Return the settings of a saved model, for a run that starts from it.

    Parameters
    ----------
    model_id : str
    mode : str
        ``settings``: the same settings on any data, weights start anew. ``weights``: each fold
        is fine-tuned from a fold network of the model; only for data that it has not seen.

    Returns
    -------
    settings : TrainingSettings
        With an automatic number of workers.
    parent : ParentModel
        For `RunRequest.parent`; saved in the new model's card.

    Raises
    ------
    ModelError
        There is no such model, or it was not trained here.
    """
    model = repository.load(model_id)
    if mode not in FINETUNING_MODES:
        raise ModelError(f"A run starts from settings or weights, got {mode!r}: choose one of them")
    if model.card.origin is not None:
        raise ModelError(
            f"{model_id} was imported as a network, without settings to train by: train another "
            "network, or choose a model that was trained here"
        )
    saved = model.card.settings
    weights = saved.get("weights")
    weights = "none" if is_weights_file(weights) else weights  # it may be of another computer
    try:
        settings = TrainingSettings.from_dict({**saved, "weights": weights, "workers": 0})
    except (TrainingError, TypeError, KeyError) as error:
        raise ModelError(
            f"{model_id} was trained with settings that this spinefrac does not know ({error}): "
            "choose the settings anew"
        ) from error
    if mode == "weights":
        settings = replace(settings, weights=str(model.keras_path))
    return settings, ParentModel(model.id, model.card_hash, mode)


def require_unseen_slices(parent: ParentModel | None, dataset: Dataset) -> None:
    """Refuse slices that the initial weights were trained on.

    A fold is evaluated on slices that it holds out; if its initial weights were trained on them,
    the metrics mean nothing.

    Raises
    ------
    DatasetError
        The model was trained on some of these very slices.
    """
    if parent is None or parent.how != "weights":
        return
    model = _find_parent_model(parent)
    model.require_slices()
    known = set(model.load_out_of_fold().pixel_hashes)
    seen = sum(item.pixel_hash in known for item in dataset.items)
    if seen or dataset.fingerprint == model.data.fingerprint:
        raise DatasetError(
            f"The model {model.id} was trained on {seen or len(dataset.items)} of these "
            f"{len(dataset.items)} slices, so metrics of a network "
            "that is fine-tuned from its weights would be too good: leave those slices out, or "
            "start from its settings only"
        )


def require_unseen_dataset(parent: ParentModel | None, fingerprint: str) -> None:
    """Refuse a model's own training data by its fingerprint; see `require_unseen_slices`."""
    if parent is not None and parent.how == "weights":
        model = _find_parent_model(parent)
        if fingerprint == model.data.fingerprint:
            raise DatasetError(
                f"The model {model.id} was trained on this very data set, so metrics of a "
                "network that is fine-tuned from its weights would be too good: choose new data, "
                "or start from its settings only"
            )


def resolve_parent_weights(
    settings: TrainingSettings, parent: ParentModel | None
) -> TrainingSettings:
    """Return the settings with the current path of the weights: a model may be renamed."""
    if parent is None or parent.how != "weights":
        return settings
    return replace(settings, weights=str(_find_parent_model(parent).keras_path))


def _find_parent_model(parent: ParentModel) -> repository.SavedModel:
    """Find a parent by its card, whatever its name is now."""
    try:
        model = repository.load(parent.model)
        if parent.card_sha256 in model.card_hashes:
            return model
        reason = "another model has that name now"
    except SpinefracError as error:
        reason = str(error)
    for other in repository.list_models():
        if isinstance(other, repository.SavedModel) and parent.card_sha256 in other.card_hashes:
            return other
    raise ModelError(f"The weights of {parent.model} to start from are not there: {reason}")
