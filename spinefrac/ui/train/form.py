"""The form of the training settings; `spinefrac.training.settings` describes each of them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from spinefrac import settings as places
from spinefrac.access.policy import Action
from spinefrac.data import data_roots
from spinefrac.data.preview import FolderPreview
from spinefrac.training.augmentation import presets
from spinefrac.training.settings import (
    NETWORK_WEIGHTS,
    SETTINGS,
    AugmentationConfig,
    TrainingSettings,
    is_weights_file,
)
from spinefrac.ui.common import visitor

NETWORK_TITLES = {
    "compact_lite0": "Compact and EfficientNet-Lite0 (minutes)",
    "compact": "Compact (made for this task)",
    "lite0": "EfficientNet-Lite0 (minutes)",
    "mobilenet_v3_small": "MobileNetV3 small",
    "efficientnet_v2_b0": "EfficientNetV2 B0",
    "densenet121": "DenseNet 121 (slow without a GPU)",
    "resnet50": "ResNet 50 (slow without a GPU)",
}
WEIGHT_TITLES = {
    "spine": "Synthetic fractures (spine)",
    "none": "Random",
    "imagenet": "ImageNet",
    "file": "Weights file",
}
GROUPING_TITLES = {"auto": "Automatic", "file": "From file names"}
#: Session state: the augmentation of an earlier run, where no preset equals it.
RUN_AUGMENTATION_KEY = "train-run-augmentation"
#: Session state: the settings that give the values without a field in the form.
BASE_SETTINGS_KEY = "train-base-settings"


def _make_key(name: str) -> str:
    """Return the key of a field by the name of its setting."""
    return f"train-{name.replace('_', '-')}"


def fill_form(settings: TrainingSettings, run_name: str = "") -> None:
    """Set every field to given settings; call it before the fields are drawn.

    Parameters
    ----------
    settings : TrainingSettings
    run_name : str
        The run whose settings they are.
    """
    state = st.session_state
    state[RUN_AUGMENTATION_KEY] = (
        (f"from run {run_name}", settings.augmentation) if run_name else None
    )
    state[BASE_SETTINGS_KEY] = settings
    weights = settings.initial_weights
    special = {
        "weights": "file" if is_weights_file(weights) else weights,
        "weights-file": weights if is_weights_file(weights) else "",
        "augmentation": _find_augmentation_name(settings.augmentation),
        "grouping": settings.group_by,
    }
    for name, value in ({name: settings.get_value(name) for name in SETTINGS} | special).items():
        state[_make_key(name)] = value


def is_form_filled() -> bool:
    """Whether the fields have values in this session."""
    return _make_key("network") in st.session_state


def get_chosen_network() -> str:
    """Return the network that the form shows, or will show."""
    return str(st.session_state.get(_make_key("network"), TrainingSettings().network))


def choose_network(name: str) -> None:
    """Set the network and, with it, its initial weights; call it before the fields are drawn."""
    if not is_form_filled():
        fill_form(TrainingSettings())
    st.session_state[_make_key("network")] = name


def show_form(preview: FolderPreview) -> TrainingSettings:
    """Draw the fields and return their values.

    Raises
    ------
    TrainingError, DatasetError
        If training cannot work with a value.
    """
    augmentations = _list_augmentations()
    if st.session_state[_make_key("augmentation")] not in augmentations:  # deleted meanwhile
        st.session_state[_make_key("augmentation")] = next(iter(augmentations))
    first, second, third = st.columns(3, gap="medium")
    values: dict[str, Any] = {"network": _choose_network(first)}
    values["weights"] = _choose_weights(second, values["network"])
    augmentation = third.selectbox(
        "Augmentation",
        list(augmentations),
        key=_make_key("augmentation"),
        help="Random changes applied to each training slice in every epoch. Preview and save "
        "presets on the page Augmentation.",
        persist_state="session",
    )
    first, second, third = st.columns(3, gap="medium")  # row by row, also one below the other
    values["folds"] = _enter_number(first, "folds")
    values["epochs"] = _enter_number(second, "epochs")
    values["size"] = _enter_number(third, "size")
    first, second, third = st.columns(3, gap="medium")
    values["bone_crop"] = _switch(first, "bone_crop")
    values["early_stopping"] = _switch(second, "early_stopping")
    values["class_weights"] = _switch(third, "class_weights")
    with st.expander("Advanced settings"):
        values |= _show_advanced_settings(preview, values["early_stopping"])
    base: TrainingSettings = st.session_state[BASE_SETTINGS_KEY]
    return base.with_values({**values, "augmentation": augmentations[augmentation]})


def _enter_number(column: Any, name: str, disabled: bool = False) -> Any:
    """Show the field of a number, as `SETTINGS` describes it."""
    setting = SETTINGS[name]
    value = column.number_input(
        setting.label,
        setting.form_minimum or setting.minimum,
        setting.form_maximum or setting.maximum,
        step=setting.step,
        format="%g" if setting.is_float else None,
        value=None if setting.is_optional else "min",
        placeholder="Automatic" if setting.is_optional else None,
        key=_make_key(name),
        help=setting.description,
        disabled=disabled,
        persist_state="session",
    )
    if value is None:
        return None
    return float(value) if setting.is_float else int(value)


def _switch(column: Any, name: str) -> bool:
    """Show the toggle of a setting that is on or off."""
    setting = SETTINGS[name]
    return bool(
        column.toggle(
            setting.label, key=_make_key(name), help=setting.description, persist_state="session"
        )
    )


def _choose_network(column: Any) -> str:
    setting = SETTINGS["network"]
    chosen = column.selectbox(
        setting.label,
        setting.choices,
        format_func=NETWORK_TITLES.__getitem__,
        key=_make_key("network"),
        help=setting.description,
        persist_state="session",
    )
    return str(chosen)


def _choose_weights(column: Any, network: str) -> str:
    """Let the user choose the initial weights."""
    choices = [*NETWORK_WEIGHTS[network], "file"]
    if st.session_state[_make_key("weights")] not in choices:
        st.session_state[_make_key("weights")] = choices[0]
    chosen = column.selectbox(
        SETTINGS["weights"].label,
        choices,
        format_func=WEIGHT_TITLES.__getitem__,
        key=_make_key("weights"),
        help=SETTINGS["weights"].details,
        persist_state="session",
    )
    if chosen != "file":
        return str(chosen)
    roots = places.data_roots()
    typed = column.text_input(
        "Weights file",
        key=_make_key("weights-file"),
        placeholder="start.weights.h5",
        help="A Keras weights or model file of the same network, within the data folders.",
        persist_state="session",
    )
    return str(data_roots.resolve_file(typed, roots))


def _choose_grouping(column: Any, preview: FolderPreview) -> str:
    """Let the user choose how slices are assigned to patients."""
    groupings = GROUPING_TITLES | {
        f"csv:{name}": f"Column {name} of labels.csv" for name in preview.columns
    }
    if st.session_state[_make_key("grouping")] not in groupings:
        st.session_state[_make_key("grouping")] = "auto"
    chosen = column.selectbox(
        SETTINGS["group_by"].label,
        list(groupings),
        format_func=groupings.__getitem__,
        key=_make_key("grouping"),
        help=SETTINGS["group_by"].description,
        persist_state="session",
    )
    return str(chosen)


def _show_advanced_settings(preview: FolderPreview, early_stopping: bool) -> dict[str, Any]:
    """Show the settings that most users leave as they are, three fields in a row."""
    names = [name for name, setting in SETTINGS.items() if setting.advanced]
    values: dict[str, Any] = {}
    for start in range(0, len(names), 3):
        for column, name in zip(
            st.columns(3, gap="medium"), names[start : start + 3], strict=False
        ):
            if name == "group_by":
                values[name] = _choose_grouping(column, preview)
            elif SETTINGS[name].type is bool:
                values[name] = _switch(column, name)
            else:
                unused = name == "patience" and not early_stopping
                values[name] = _enter_number(column, name, disabled=unused)
    return values


# --- augmentation --------------------------------------------------------------------------


def _list_augmentations() -> dict[str, AugmentationConfig]:
    """Return the augmentations by name: presets, and that of the run whose settings are reused."""
    entries = presets.list_augmentations(visitor.require(Action.SEE_RUN))
    found = {entry.name: entry.config for entry in entries if entry.config}
    own = st.session_state.get(RUN_AUGMENTATION_KEY)
    return found | ({own[0]: own[1]} if own and own[1] not in found.values() else {})


def _find_augmentation_name(augmentation: AugmentationConfig) -> str:
    """Return the name under which a configuration can be chosen."""
    found = _list_augmentations()
    return next(
        (name for name, config in found.items() if config == augmentation), next(iter(found))
    )
