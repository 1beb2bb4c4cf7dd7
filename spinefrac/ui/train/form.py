"""How to train: every setting with its default and a sentence of help."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from spinefrac import settings as places
from spinefrac.data import data_roots
from spinefrac.data.preview import Contents
from spinefrac.training.augmentation import presets
from spinefrac.training.settings import NETWORKS, AugmentationConfig, TrainingSettings

NETWORK_WORDS = {
    "compact": "compact (made for this task, fast)",
    "mobilenet_v3_small": "MobileNetV3 small",
    "efficientnet_v2_b0": "EfficientNetV2 B0",
    "densenet121": "DenseNet 121 (slow without a GPU)",
    "resnet50": "ResNet 50 (slow without a GPU)",
}
WEIGHTS = {"random": "Random", "imagenet": "ImageNet", "file": "A weights file"}
GROUPINGS = {"auto": "Found by itself", "file": "From file names"}
#: Where the augmentation of an earlier run is kept that no saved set equals.
OWN = "train-own-augmentation"
#: Where the settings are kept whose other values, without a field here, are taken over.
BASE = "train-base"


def _key(name: str) -> str:
    return f"train-{name}"


def fill(chosen: TrainingSettings, origin: str = "") -> None:
    """Set every field to given settings; call it before the fields are drawn.

    Parameters
    ----------
    chosen : TrainingSettings
    origin : str
        The run that they are of.
    """
    state = st.session_state
    state[OWN] = (f"as in {origin}", chosen.augmentation) if origin else None
    state[BASE] = chosen
    weights = chosen.weights or "random"
    values: dict[str, Any] = {
        "network": chosen.network,
        "weights": weights if weights in WEIGHTS else "file",
        "weights-file": weights if weights not in WEIGHTS else "",
        "folds": chosen.folds,
        "epochs": chosen.epochs,
        "size": chosen.preprocessing.size,
        "bone-crop": chosen.preprocessing.bone_crop,
        "augmentation": _augmentation_name(chosen.augmentation),
        "batch-size": chosen.batch_size,
        "learning-rate": chosen.learning_rate,
        "seed": chosen.seed,
        "grouping": chosen.group_by,
        "early-stopping": chosen.early_stopping,
        "patience": chosen.patience,
        "line-steps": chosen.line_steps,
        "class-weights": chosen.class_weights,
    }
    for name, value in values.items():
        state[_key(name)] = value


def filled() -> bool:
    """Whether the fields have values in this session."""
    return _key("network") in st.session_state


def ask(contents: Contents) -> TrainingSettings:
    """Draw the fields and return what they say.

    Raises
    ------
    TrainingError, DatasetError
        If a value is none that training can work with.
    """
    keep: dict[str, Any] = {"persist_state": "session"}
    augmentations = _augmentations()
    if st.session_state[_key("augmentation")] not in augmentations:  # deleted meanwhile
        st.session_state[_key("augmentation")] = next(iter(augmentations))
    first, second, third = st.columns(3, gap="medium")
    network = first.selectbox(
        "Network",
        NETWORKS,
        format_func=NETWORK_WORDS.get,
        key=_key("network"),
        help="`compact` was made for lines a few pixels wide and trains on a laptop. The others "
        "are well-known networks for photographs: larger, slower, and worth a try with many "
        "patients.",
        **keep,
    )
    weights = _weights(second, network, keep)
    augmentation = third.selectbox(
        "Augmentation",
        list(augmentations),
        key=_key("augmentation"),
        help="How each slice is changed a little, at random, in every epoch. The page "
        "Augmentation shows it and saves sets of your own, which can then be chosen here.",
        **keep,
    )
    first, second, third = st.columns(3, gap="medium")  # row by row, also one below the other
    folds = first.number_input(
        "Folds (k)",
        2,
        50,
        key=_key("folds"),
        help="The patients are dealt into so many parts. Each part is scored by a network that "
        "was trained on all others. More folds take longer and leave more to train on.",
        **keep,
    )
    epochs = second.number_input(
        "Epochs",
        1,
        10_000,
        key=_key("epochs"),
        help="How often each network sees all of its slices. Too few is the most common mistake: "
        "a network looks at noise for some epochs before it finds the fracture lines.",
        **keep,
    )
    size = third.number_input(
        "Image size, pixels",
        32,
        1024,
        step=16,
        key=_key("size"),
        help="Side of the square that the network sees. Larger shows finer lines and takes "
        "longer: twice the side, four times the time.",
        **keep,
    )
    first, second, third = st.columns(3, gap="medium")
    bone_crop = first.toggle(
        "Crop to the bone",
        key=_key("bone-crop"),
        help="Cuts each slice to the vertebra before it is shrunk, so that the fracture is larger "
        "in the picture. Switch it off if slices are cut to the vertebra already.",
        **keep,
    )
    early_stopping = second.toggle(
        "Stop early",
        key=_key("early-stopping"),
        help="Ends a fold when patients that are set aside from its own training part no longer "
        "improve. The slices that are scored are never looked at.",
        **keep,
    )
    class_weights = third.toggle(
        "Balance the classes",
        key=_key("class-weights"),
        help="Lets the rarer class count more, so that both weigh the same.",
        **keep,
    )
    with st.expander("More settings"):
        more = _more(contents, early_stopping, keep)
    base = st.session_state[BASE]
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


def _weights(column: Any, network: str, keep: dict[str, Any]) -> str | None:
    """Ask which weights to start from."""
    choices = [name for name in WEIGHTS if name != "imagenet" or network != NETWORKS[0]]
    if st.session_state[_key("weights")] not in choices:
        st.session_state[_key("weights")] = "random"
    chosen = column.selectbox(
        "Weights to start from",
        choices,
        format_func=WEIGHTS.get,
        key=_key("weights"),
        help="Random is right for `compact`. ImageNet weights come from photographs, are fetched "
        "once from the internet and help the large networks.",
        **keep,
    )
    if chosen != "file":
        return None if chosen == "random" else chosen
    roots = places.data_roots()
    typed = column.text_input(
        "Weights file",
        key=_key("weights-file"),
        placeholder="start.weights.h5",
        help="A Keras weights or model file of the same network, within the data folders.",
        **keep,
    )
    return str(data_roots.allowed_file(typed, roots))


def _more(contents: Contents, early_stopping: bool, keep: dict[str, Any]) -> dict[str, Any]:
    """Ask what most people leave as it is."""
    first, second, third = st.columns(3, gap="medium")
    batch_size = first.number_input(
        "Batch size",
        2,
        4096,
        key=_key("batch-size"),
        help="Slices a step. Small is better here: the network learns from the number of steps.",
        **keep,
    )
    learning_rate = second.number_input(
        "Learning rate",
        1e-8,
        1.0,
        step=5e-4,
        format="%g",
        key=_key("learning-rate"),
        help="The size of a step at its highest; it rises to it and falls again. Lower it if the "
        "loss jumps or is not a number.",
        **keep,
    )
    seed = third.number_input(
        "Seed",
        0,
        2**32 - 1,
        key=_key("seed"),
        help="Decides folds, start and augmentation. The same seed gives the same folds again.",
        **keep,
    )
    first, second, third = st.columns(3, gap="medium")
    groupings = GROUPINGS | {
        f"csv:{name}": f"Column {name} of labels.csv" for name in contents.columns
    }
    if st.session_state[_key("grouping")] not in groupings:
        st.session_state[_key("grouping")] = "auto"
    group_by = first.selectbox(
        "Grouping",
        list(groupings),
        format_func=groupings.get,
        key=_key("grouping"),
        help="What makes a patient, whom no fold splits: found by itself (the patient column of "
        "labels.csv, then the DICOM header, then file names), or as you say here.",
        **keep,
    )
    patience = second.number_input(
        "Patience, epochs",
        1,
        10_000,
        key=_key("patience"),
        disabled=not early_stopping,
        help="How many epochs without improvement end a fold, if it may stop early.",
        **keep,
    )
    line_steps = third.number_input(
        "Practice on drawn lines, batches",
        0,
        100_000,
        step=50,
        key=_key("line-steps"),
        help="Before it is shown a label, the network `compact` practises on its own training "
        "slices to find thin dark lines that are drawn on them. 0 leaves that out.",
        **keep,
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


def _augmentations() -> dict[str, AugmentationConfig]:
    """Return what can be chosen, by name: presets, saved ones, that of the run to repeat."""
    found = {entry.name: entry.config for entry in presets.listed() if entry.config}
    own = st.session_state.get(OWN)
    return found | ({own[0]: own[1]} if own and own[1] not in found.values() else {})


def _augmentation_name(wanted: AugmentationConfig) -> str:
    """Return the name under which a configuration can be chosen."""
    found = _augmentations()
    return next((name for name, config in found.items() if config == wanted), next(iter(found)))
