"""Cards about one prediction: class and probability, input check, preprocessing."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from spinefrac import wording
from spinefrac.records import CLASS_NAMES, CtSlice, InputCheck, Prediction
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common.templates import render_html


def render_prediction_card(
    prediction: Prediction,
    true_label: str = "",
    note: Markup | str = "",
    *,
    suppressed: bool = False,
) -> Markup:
    """Return the card with the predicted class, the probability and the threshold.

    Parameters
    ----------
    prediction : Prediction
    true_label : str
        Known for synthetic samples only.
    note : Markup or str
        Ends the card.
    suppressed : bool
        Crosses the prediction out, because the slice is unlike the training slices.
    """
    check = prediction.input_check
    return render_html(
        "predict/prediction_card.html",
        prediction=prediction,
        true_label=true_label,
        note=note,
        suppressed=suppressed,
        muted=check is not None and check.is_unlike,
    )


def render_input_check(check: InputCheck | None, pictures: Sequence[str] = ()) -> Markup:
    """Return the card that says whether the slice is similar to the training slices.

    Parameters
    ----------
    check : InputCheck or None
    pictures : sequence of str
        Of `check.nearest`, see `training_pictures.load_pictures`; none where there are none.
    """
    nearest = check.nearest[: len(pictures)] if check else ()
    shown = zip((one.patient for one in nearest), pictures, strict=True)
    return render_html(
        "predict/input_check.html",
        check=check,
        title=wording.GRADE_TITLES[check.grade] if check else "",
        class_names=CLASS_NAMES,
        pictures=[(patient, picture) for patient, picture in shown if picture],
    )


def render_preprocessing_note(model: SavedModel, ct: CtSlice, prediction: Prediction) -> Markup:
    """Return what was done to the slice before the network, and what the heat map shows."""
    return render_html(
        "predict/preprocessing.html",
        preprocessing=model.preprocessing,
        ct=ct,
        prediction=prediction,
        input_size=prediction.input.pixels.shape[0],
    )
