"""Links of earlier versions: an address holds the labels of widgets, some of which were renamed."""

from __future__ import annotations

import streamlit as st

#: By the key of a widget with ``bind="query-params"``: its former labels and those of today.
RENAMED_LABELS = {
    "view": {
        "Training": "Training curves",
        "Parts": "Subgroups",
        "New slices": "External evaluation",
    },
    "show": {
        "Worst errors": "Largest errors",
        "Missed fractures": "False negatives (missed fractures)",
        "False alarms": "False positives (false alarms)",
        "Found fractures": "True positives (detected fractures)",
        "Rightly cleared": "True negatives",
        "Nearest to the threshold": "Near the threshold",
        "Labels to check": "Suspected label errors",
    },
    "on": {"Training data, out-of-fold": "Cross-validation (out-of-fold)"},
}
#: What stood before, and what stands now before the name of an evaluated folder in ``on``.
_FORMER_EXTERNAL_PREFIX, EXTERNAL_PREFIX = "Slices of ", "External: "


def rename_label(key: str, label: str) -> str:
    """Return today's label of a widget's option.

    >>> rename_label("view", "Parts"), rename_label("on", "Slices of hospital-b")
    ('Subgroups', 'External: hospital-b')
    """
    if key == "on" and label.startswith(_FORMER_EXTERNAL_PREFIX):
        return EXTERNAL_PREFIX + label.removeprefix(_FORMER_EXTERNAL_PREFIX)
    return RENAMED_LABELS[key].get(label, label)


def update_address() -> None:
    """Replace former labels in the address; call it before the widgets that read it are drawn.

    Streamlit seeds a bound widget from the address that a run began with, so the page is run
    again with the new one.
    """
    former = {key: st.query_params[key] for key in RENAMED_LABELS if key in st.query_params}
    renamed = {
        key: rename_label(key, label)
        for key, label in former.items()
        if key not in st.session_state and rename_label(key, label) != label
    }
    if renamed:
        st.query_params.update(renamed)
        st.rerun()
