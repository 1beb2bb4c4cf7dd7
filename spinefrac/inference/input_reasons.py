"""Why a slice is not like the training slices, in words: file, picture, noise, kernel, anatomy."""

from __future__ import annotations

import numpy as np

from spinefrac.records import CtSlice
from spinefrac.store.card import DataSummary
from spinefrac.store.input_reference import Deviation, InputReference
from spinefrac.store.input_statistics import FEATURE_NAMES, FloatArray

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


#: What an image is called that looks like nothing that `describe_statistics` knows.
OF_NO_KNOWN_KIND = "far from all training slices"

#: Standard deviations from which noise, kernel and air around the body are named as a reason.
_NOTABLE_NOISE, _NOTABLE_GRAIN, _NOTABLE_AIR = 2.5, 2.0, 3.0
#: Statistics of grey levels, and from which deviation they are.
_GREY_LEVELS, _NOTABLE_GREY = ("mean", "spread", "p25", "p50", "p75", "p95"), 2.0
#: Reasons that are named at most.
_MAX_REASONS = 3


def explain_file(ct: CtSlice) -> str:
    """Say by the file alone why it does not hold a CT slice in its values; empty where it may."""
    if ct.colour:
        return "a colour image, and no CT slice"
    if not ct.calibrated and ct.modality not in _CT_COMPATIBLE_MODALITIES:
        return f"{_describe_modality(ct.modality)}, and no CT slice"
    return ct.implausible


def explain_storage(ct: CtSlice, data: DataSummary | None) -> str:
    """Say that a slice has Hounsfield units and no training slice has, or the other way round.

    Empty where some training slices are stored alike, or that is not known.
    """
    if data is None or data.calibrated is None:
        return ""
    if ct.calibrated and not data.calibrated:
        return "in Hounsfield units (all training slices are pictures in a window)"
    if not ct.calibrated and data.calibrated == data.images > 0:
        return "a picture in a window (all training slices are in Hounsfield units)"
    return ""


def describe_statistics(ct: CtSlice, features: FloatArray, z: FloatArray, storage: str) -> str:
    """Say what a slice out of distribution looks like, and which statistics differ most.

    Parameters
    ----------
    ct : CtSlice
    features : float64 array, shape (F,)
        Of `input_statistics.extract_features`.
    z : float64 array, shape (F,)
        The same in units of the training slices' spread.
    storage : str
        See `explain_storage`.
    """
    worst = [index for index in np.argsort(-np.abs(z)) if abs(z[index]) > 3]
    words = list(
        dict.fromkeys(
            _FEATURE_DESCRIPTIONS[FEATURE_NAMES[index]][int(z[index] > 0)] for index in worst
        )
    )
    if {"darker", "brighter"} <= set(words[:2]):  # its dark parts darker, its bright ones brighter
        words = ["of more contrast", *words[2:]]
    what = " and ".join(words[:2]) or "with an unusual combination of grey levels and structure"
    kind = _guess_image_kind(ct, features, z)
    if storage and _have_other_greys(z):
        kind += f", {storage}"
    return f"{kind} ({what})"


def _have_other_greys(z: FloatArray) -> bool:
    """Whether the grey levels deviate: what a file's unit and window can change."""
    return any(abs(z[FEATURE_NAMES.index(name)]) > _NOTABLE_GREY for name in _GREY_LEVELS)


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
        return OF_NO_KNOWN_KIND
    if of["flat"] > 0.3 or (of["black"] > 0.15 and of["sharp"] > 0.06 and of["p95"] <= 0.98):
        return "like a document, chart or drawing"
    if of["p95"] > 0.98 and of["white"] <= 0.24:
        return "in another window (brightness and contrast), or another region of the body"
    if of["black"] <= 0.15 and of["fine"] > 0.03:
        return "like a photograph"
    return "like an X-ray or ultrasound image"


def describe_deviation(
    deviation: Deviation,
    reference: InputReference,
    z: FloatArray,
    storage: str,
    *,
    is_synthetic: bool,
) -> str:
    """Say why a slice is unusual or unlike by what the network sees, the most telling first.

    Parameters
    ----------
    deviation : Deviation
    reference : InputReference
    z : float64 array, shape (F,)
        Picture statistics in units of the training slices' spread; zero where unknown.
    storage : str
        See `explain_storage`.
    is_synthetic : bool
        Whether the training slices are those of a phantom.
    """
    fine, anatomy = deviation.depths[0], deviation.depths[-1]
    air = float(z[FEATURE_NAMES.index("black")])
    found = []
    if storage and _have_other_greys(z):
        found.append(storage)
    if is_synthetic and min(deviation.depths) > reference.unlike_limit:
        found.append("real or synthesised otherwise than the training slices")
    if deviation.noise > _NOTABLE_NOISE:
        found.append("noisier (a lower dose or thinner slices)")
    elif deviation.noise < -_NOTABLE_NOISE:
        found.append("with less noise (a higher dose, thicker slices or smoothing)")
    if abs(deviation.grain) > _NOTABLE_GRAIN:
        found.append(f"from a {'sharper' if deviation.grain > 0 else 'softer'} kernel")
    if anatomy > reference.unusual_limit:
        found.append("of another part of the body or other anatomy")
    if air > _NOTABLE_AIR:
        found.append("with more air around the body (a smaller patient or a larger field of view)")
    elif air < -_NOTABLE_AIR:
        found.append("with less air around the body (a larger patient or a smaller field of view)")
    if fine > reference.unusual_limit and len(found) < 2:
        found.append("from another scanner or reconstruction")
    found = found[:_MAX_REASONS] or ["with an unusual combination of structures"]
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
