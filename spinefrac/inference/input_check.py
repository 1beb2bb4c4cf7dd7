"""Input check: is a slice similar to the training slices? By image statistics, with a reason.

A network returns a probability for any image, a photograph too. Sixteen statistics of the model
input (greys, edges, texture, symmetry) are compared with those of the training inputs by a
robust Mahalanobis distance. This detects images of another kind. It does not detect a CT slice
of another body region or scanner that looks similar, nor a wrong prediction.
"""

from __future__ import annotations

import numpy as np

from spinefrac.records import CtSlice, InputCheck, ModelInput
from spinefrac.store.input_statistics import (
    FEATURE_NAMES,
    FloatArray,
    InputCheckStatistics,
    extract_features,
)

#: In words: each statistic too low, and too high.
_FEATURE_DESCRIPTIONS = {
    "mean": ("darker", "brighter"),
    "spread": ("of less contrast", "of more contrast"),
    "black": ("with less black around the body", "with more black around the body"),
    "white": ("with less bone-white", "with more white"),
    "p25": ("darker", "brighter"),
    "p50": ("darker", "brighter"),
    "p75": ("darker", "brighter"),
    "p95": ("darker", "brighter"),
    "flat": ("with fewer equal pixels", "with larger flat areas"),
    "entropy": ("with fewer shades of grey", "with more shades of grey"),
    "edges": ("smoother", "with more edges"),
    "sharp": ("with fewer sharp edges", "with more sharp edges"),
    "coarse": ("with fewer large structures", "with mostly large structures"),
    "fine": ("with less fine structure", "with more fine structure or noise"),
    "symmetry": ("less symmetric", "more symmetric"),
    "centre": ("darker in the centre than at the border", "bright in the centre only"),
}

#: DICOM modalities that a CT slice may have, as a capture or without a header.
_CT_COMPATIBLE_MODALITIES = ("", "CT", "OT", "SC")


def check_input(
    statistics: InputCheckStatistics | None, ct: CtSlice, model_input: ModelInput
) -> InputCheck | None:
    """Compare a slice with the training inputs.

    Parameters
    ----------
    statistics : InputCheckStatistics or None
        Of the model; None where it is imported and has none.
    ct : CtSlice
        The slice as read; its colours, its modality and what its values cannot be are used.
    model_input : ModelInput
        The same slice after preprocessing.

    Returns
    -------
    InputCheck or None
        None where only statistics could tell, and there are none.
    """
    if reason := _explain_file(ct):
        return InputCheck(100.0, False, reason)
    if statistics is None:
        return None
    features = extract_features(model_input.pixels)
    distance = float(statistics.mahalanobis_distance(features))
    score = round(statistics.distance_percentile(distance), 1)
    if distance <= statistics.distance_limit:
        return InputCheck(score, True)
    return InputCheck(
        score, False, _describe_deviation(ct, features, statistics.standardize(features))
    )


def _explain_file(ct: CtSlice) -> str:
    """Say by the file alone why it does not hold a CT slice in its values; empty where it may."""
    if ct.colour:
        return "a colour image, and no CT slice"
    if not ct.calibrated and ct.modality not in _CT_COMPATIBLE_MODALITIES:
        return f"{_describe_modality(ct.modality)}, and no CT slice"
    return ct.implausible


def _describe_deviation(ct: CtSlice, features: FloatArray, z: FloatArray) -> str:
    """Say what a slice out of distribution looks like, and which statistics differ most."""
    worst = [index for index in np.argsort(-np.abs(z)) if abs(z[index]) > 3]
    words = list(
        dict.fromkeys(
            _FEATURE_DESCRIPTIONS[FEATURE_NAMES[index]][int(z[index] > 0)] for index in worst
        )
    )
    if {"darker", "brighter"} <= set(words[:2]):  # its dark parts darker, its bright ones brighter
        words = ["of more contrast", *words[2:]]
    what = " and ".join(words[:2]) or "with an unusual combination of grey levels and structure"
    return f"{_guess_image_kind(ct, features, z)} ({what})"


def _describe_modality(code: str) -> str:
    """Say in words what a DICOM modality (PS3.3, C.7.3.1.1.1) is."""
    if code in ("CR", "DX", "DR", "RG", "RF", "XA", "MG", "PX", "IO"):
        return "an X-ray image"
    words = {"MR": "a magnetic resonance (MR)", "US": "an ultrasound", "NM": "a nuclear medicine"}
    if code in words:
        return f"{words[code]} image"
    return f"a DICOM image of another modality ({code})" if code.isalnum() else "another image"


def _guess_image_kind(ct: CtSlice, features: FloatArray, z: FloatArray) -> str:
    """Say what an image looks like, by rules derived from images of each kind.

    It is a guess for people, correct in nine of ten images of the kinds it knows, and has no
    part in whether a slice is in distribution; `benchmarks/input_check.py` measures both.
    """
    of = dict(zip(FEATURE_NAMES, features.tolist(), strict=True))
    far = dict(zip(FEATURE_NAMES, np.abs(z).tolist(), strict=True))
    if ct.calibrated:  # Hounsfield units: the window is the model's own
        return "another region of the body or another scanner"
    if max(far["mean"], far["p50"]) <= 3:
        return "far from all training slices"
    if of["flat"] > 0.3 or (of["black"] > 0.15 and of["sharp"] > 0.06 and of["p95"] <= 0.98):
        return "like a document, chart or drawing"
    if of["p95"] > 0.98 and of["white"] <= 0.24:
        return "in another window (brightness and contrast), or another region of the body"
    if of["black"] <= 0.15 and of["fine"] > 0.03:
        return "like a photograph"
    return "like an X-ray or ultrasound image"
