"""Train: how a model is trained today, with the defaults that are in force."""

from __future__ import annotations

import streamlit as st

from pages import _shared
from spinefrac.training.settings import NETWORKS, TrainingSettings

DEFAULTS = TrainingSettings()

_shared.heading(
    "Train",
    "Training runs in a process of its own, started from the command line; this page has the "
    "commands. A finished model appears on the pages by itself.",
)

left, right = st.columns([1.6, 1], gap="medium")
with left:
    st.subheader("1. A folder of labelled slices", anchor=False)
    st.markdown(
        "One folder a class, in DICOM, PNG, JPEG, TIFF or BMP. A `labels.csv` with the columns "
        "`path`, `label` and `patient`, or the layout of RSNA 2022, does as well."
    )
    st.code(
        "my-slices/\n  fracture/   P012_03.dcm  P012_04.dcm  …\n  normal/     P001_11.dcm  …",
        language=None,
    )
    st.markdown("No data at hand? This renders a synthetic set with known truth:")
    _shared.commands("spinefrac phantom my-slices --patients 60 --slices 12")

    st.subheader("2. Train by cross-validation", anchor=False)
    _shared.commands(
        f"spinefrac train my-slices --name my-model --folds {DEFAULTS.folds} "
        f"--epochs {DEFAULTS.epochs}"
    )
    st.markdown(
        "No fold splits a patient, and nothing is chosen on the slices that are scored: every "
        "number of the result comes from slices that the answering network has not seen."
    )

    st.subheader("3. Look at what came out", anchor=False)
    _shared.commands(
        "spinefrac models show my-model", "spinefrac predict my-slices/fracture/* --model my-model"
    )
    st.markdown("Or open the pages Metrics and Upload & Predict here.")
with right:
    st.subheader("Defaults", anchor=False)
    augmented = "turned, zoomed, shifted, mirrored; brightness, contrast and noise varied"
    _shared.table(
        ("", ""),
        [
            ("Network", DEFAULTS.network),
            ("Input", f"{DEFAULTS.preprocessing.size} × {DEFAULTS.preprocessing.size} pixels"),
            ("Bone crop", "yes" if DEFAULTS.preprocessing.bone_crop else "no"),
            ("Folds", str(DEFAULTS.folds)),
            ("Epochs a fold", str(DEFAULTS.epochs)),
            ("Batch", f"{DEFAULTS.batch_size} slices"),
            ("Learning rate", f"{DEFAULTS.learning_rate:g}, warm-up and cosine"),
            ("Class weights", "yes" if DEFAULTS.class_weights else "no"),
            ("Augmentation", augmented),
            ("Other networks", ", ".join(NETWORKS[1:])),
        ],
    )
    st.caption("`spinefrac train --help` lists every option.")
