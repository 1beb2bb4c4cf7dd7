"""How to train: every setting with its default and a sentence of help."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from spinefrac import settings as places
from spinefrac.data import data_roots
from spinefrac.data.preview import FolderPreview
from spinefrac.training.augmentation import presets
from spinefrac.training.settings import NETWORKS, AugmentationConfig, TrainingSettings

NETWORK_TITLES = {
    "compact": "compact (made for this task, fast)",
    "mobilenet_v3_small": "MobileNetV3 small",
    "efficientnet_v2_b0": "EfficientNetV2 B0",
    "densenet121": "DenseNet 121 (slow without a GPU)",
    "resnet50": "ResNet 50 (slow without a GPU)",
}
WEIGHT_SOURCES = {"random": "Random", "imagenet": "ImageNet", "file": "A weights file"}
GROUPING_TITLES = {"auto": "Found by itself", "file": "From file names"}
#: Where the augmentation of an earlier run is kept that no saved set equals.
RUN_AUGMENTATION_KEY = "train-run-augmentation"
#: Where the settings are kept whose other values, without a field here, are taken over.
BASE_SETTINGS_KEY = "train-base-settings"


def _make_key(name: str) -> str:
    return f"train-{name}"


def fill_form(settings: TrainingSettings, run_name: str = "") -> None:
    """Set every field to given settings; call it before the fields are drawn.

    Parameters
    ----------
    settings : TrainingSettings
    run_name : str
        The run that they are of.
    """
    state = st.session_state
    state[RUN_AUGMENTATION_KEY] = (f"as in {run_name}", settings.augmentation) if run_name else None
    state[BASE_SETTINGS_KEY] = settings
    weights = settings.weights or "random"
    values: dict[str, Any] = {
        "network": settings.network,
        "weights": weights if weights in WEIGHT_SOURCES else "file",
        "weights-file": weights if weights not in WEIGHT_SOURCES else "",
        "folds": settings.folds,
        "epochs": settings.epochs,
        "size": settings.preprocessing.size,
        "bone-crop": settings.preprocessing.bone_crop,
        "augmentation": _find_augmentation_name(settings.augmentation),
        "batch-size": settings.batch_size,
        "learning-rate": settings.learning_rate,
        "seed": settings.seed,
        "grouping": settings.group_by,
        "early-stopping": settings.early_stopping,
        "patience": settings.patience,
        "line-steps": settings.line_steps,
        "class-weights": settings.class_weights,
    }
    for name, value in values.items():
        state[_make_key(name)] = value


def is_form_filled() -> bool:
    """Whether the fields have values in this session."""
    return _make_key("network") in st.session_state


def show_form(preview: FolderPreview) -> TrainingSettings:
    """Draw the fields and return what they say.

    Raises
    ------
    TrainingError, DatasetError
        If a value is none that training can work with.
    """
    keep: dict[str, Any] = {"persist_state": "session"}
    augmentations = _list_augmentations()
    if st.session_state[_make_key("augmentation")] not in augmentations:  # deleted meanwhile
        st.session_state[_make_key("augmentation")] = next(iter(augmentations))
    first, second, third = st.columns(3, gap="medium")
    network = first.selectbox(
        "Network",
        NETWORKS,
        format_func=NETWORK_TITLES.get,
        key=_make_key("network"),
        help="`compact` was made for lines a few pixels wide and trains on a laptop. The others "
        "are well-known networks for photographs: larger, slower, and worth a try with many "
        "patients.",
        **keep,
    )
    weights = _choose_weights(second, network, keep)
    augmentation = third.selectbox(
        "Augmentation",
        list(augmentations),
        key=_make_key("augmentation"),
        help="How each slice is changed a little, at random, in every epoch. The page "
        "Augmentation shows it and saves sets of your own, which can then be chosen here.",
        **keep,
    )
    first, second, third = st.columns(3, gap="medium")  # row by row, also one below the other
    folds = first.number_input(
        "Folds (k)",
        2,
        50,
        key=_make_key("folds"),
        help="The patients are dealt into so many parts. Each part is scored by a network that "
        "was trained on all others. More folds take longer and leave more to train on.",
        **keep,
    )
    epochs = second.number_input(
        "Epochs",
        1,
        10_000,
        key=_make_key("epochs"),
        help="How often each network sees all of its slices. Too few is the most common mistake: "
        "a network looks at noise for some epochs before it finds the fracture lines.",
        **keep,
    )
    size = third.number_input(
        "Image size, pixels",
        32,
        1024,
        step=16,
        key=_make_key("size"),
        help="Side of the square that the network sees. Larger shows finer lines and takes "
        "longer: twice the side, four times the time.",
        **keep,
    )
    first, second, third = st.columns(3, gap="medium")
    bone_crop = first.toggle(
        "Crop to the bone",
        key=_make_key("bone-crop"),
        help="Cuts each slice to the vertebra before it is shrunk, so that the fracture is larger "
        "in the picture. Switch it off if slices are cut to the vertebra already.",
        **keep,
    )
    early_stopping = second.toggle(
        "Stop early",
        key=_make_key("early-stopping"),
        help="Ends a fold when patients that are set aside from its own training part no longer "
        "improve. The slices that are scored are never looked at.",
        **keep,
    )
    class_weights = third.toggle(
        "Balance the classes",
        key=_make_key("class-weights"),
        help="Lets the rarer class count more, so that both weigh the same.",
        **keep,
    )
    with st.expander("More settings"):
        more = _show_advanced_settings(preview, early_stopping, keep)
    base = st.session_state[BASE_SETTINGS_KEY]
    return replace(
        base,
        network=network,
        weights=weights,
        folds=int(folds),
        epochs=int(epochs),
        early_stopping=early_stopping,
        class_weights=class_weights,
        preprocessing=replace(base.preprocessing, size=int(size), bone_crop=bone_crop),
        augmentation=augmentations[augmentation],
        **more,
    )


def _choose_weights(column: Any, network: str, widget_options: dict[str, Any]) -> str | None:
    """Ask which weights to start from."""
    choices = [name for name in WEIGHT_SOURCES if name != "imagenet" or network != NETWORKS[0]]
    if st.session_state[_make_key("weights")] not in choices:
        st.session_state[_make_key("weights")] = "random"
    chosen = column.selectbox(
        "Weights to start from",
        choices,
        format_func=WEIGHT_SOURCES.get,
        key=_make_key("weights"),
        help="Random is right for `compact`. ImageNet weights come from photographs, are fetched "
        "once from the internet and help the large networks.",
        **widget_options,
    )
    if chosen != "file":
        return None if chosen == "random" else chosen
    roots = places.data_roots()
    typed = column.text_input(
        "Weights file",
        key=_make_key("weights-file"),
        placeholder="start.weights.h5",
        help="A Keras weights or model file of the same network, within the data folders.",
        **widget_options,
    )
    return str(data_roots.resolve_file(typed, roots))


def _show_advanced_settings(
    preview: FolderPreview, early_stopping: bool, widget_options: dict[str, Any]
) -> dict[str, Any]:
    """Ask what most people leave as it is."""
    first, second, third = st.columns(3, gap="medium")
    batch_size = first.number_input(
        "Batch size",
        2,
        4096,
        key=_make_key("batch-size"),
        help="Slices a step. Small is better here: the network learns from the number of steps.",
        **widget_options,
    )
    learning_rate = second.number_input(
        "Learning rate",
        1e-8,
        1.0,
        step=5e-4,
        format="%g",
        key=_make_key("learning-rate"),
        help="The size of a step at its highest; it rises to it and falls again. Lower it if the "
        "loss jumps or is not a number.",
        **widget_options,
    )
    seed = third.number_input(
        "Seed",
        0,
        2**32 - 1,
        key=_make_key("seed"),
        help="Decides folds, start and augmentation. The same seed gives the same folds again.",
        **widget_options,
    )
    first, second, third = st.columns(3, gap="medium")
    groupings = GROUPING_TITLES | {
        f"csv:{name}": f"Column {name} of labels.csv" for name in preview.columns
    }
    if st.session_state[_make_key("grouping")] not in groupings:
        st.session_state[_make_key("grouping")] = "auto"
    group_by = first.selectbox(
        "Grouping",
        list(groupings),
        format_func=groupings.get,
        key=_make_key("grouping"),
        help="What makes a patient, whom no fold splits: found by itself (the patient column of "
        "labels.csv, then the DICOM header, then file names), or as you say here.",
        **widget_options,
    )
    patience = second.number_input(
        "Patience, epochs",
        1,
        10_000,
        key=_make_key("patience"),
        disabled=not early_stopping,
        help="How many epochs without improvement end a fold, if it may stop early.",
        **widget_options,
    )
    line_steps = third.number_input(
        "Practice on drawn lines, batches",
        0,
        100_000,
        step=50,
        key=_make_key("line-steps"),
        help="Before it is shown a label, the network `compact` practises on its own training "
        "slices to find thin dark lines that are drawn on them. 0 leaves that out.",
        **widget_options,
    )
    return {
        "batch_size": int(batch_size),
        "learning_rate": float(learning_rate),
        "seed": int(seed),
        "group_by": group_by,
        "patience": int(patience),
        "line_steps": int(line_steps),
    }


# --- augmentation --------------------------------------------------------------------------


def _list_augmentations() -> dict[str, AugmentationConfig]:
    """Return what can be chosen, by name: presets, saved ones, that of the run to repeat."""
    found = {entry.name: entry.config for entry in presets.list_augmentations() if entry.config}
    own = st.session_state.get(RUN_AUGMENTATION_KEY)
    return found | ({own[0]: own[1]} if own and own[1] not in found.values() else {})


def _find_augmentation_name(augmentation: AugmentationConfig) -> str:
    """Return the name under which a configuration can be chosen."""
    found = _list_augmentations()
    return next(
        (name for name, config in found.items() if config == augmentation), next(iter(found))
    )
