"""Temperature and threshold for another site."""

import numpy as np
import pytest

from spinefrac.errors import DatasetError
from spinefrac.evaluation.recalibration import fit_site

SITE = {"rule": "youden", "fingerprint": "a" * 64}


def draw_site(patients: int, overconfidence: float, shift: float, seed: int = 0):
    """Logits that are too large and shifted, three slices a patient."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(patients), 3)
    labels = (np.arange(patients) % 2)[groups]
    logits = overconfidence * (2.0 * labels - 1 + rng.normal(0, 1.4, len(groups))) + shift
    return logits, labels, groups


def test_an_overconfident_model_is_corrected_on_patients_it_was_not_fitted_to() -> None:
    logits, labels, groups = draw_site(60, overconfidence=5.0, shift=6.0)
    temperature, point, found = fit_site(
        logits, labels, groups, temperature=1.0, threshold=0.5, **SITE
    )
    low, high = found.temperature_ci
    assert low < temperature < high and temperature > 2
    assert found.after.log_loss < 0.5 * found.before.log_loss
    assert found.before.specificity < 0.6 < found.after.specificity
    assert found.threshold_ci[0] <= point.threshold <= found.threshold_ci[1]
    assert (found.slices, found.groups, found.fracture) == (180, 60, 90)


def test_few_patients_give_a_wide_interval() -> None:
    few, many = (
        fit_site(*draw_site(count, 3.0, 0.0), temperature=1.0, threshold=0.5, **SITE)[2]
        for count in (10, 120)
    )
    width = [np.ptp(np.log(one.temperature_ci)) for one in (few, many)]
    assert width[0] > 1.5 * width[1]


def test_too_few_patients_of_a_class_are_refused() -> None:
    logits, labels, groups = draw_site(6, 1.0, 0.0)
    with pytest.raises(DatasetError, match="of more patients"):
        fit_site(logits, labels, groups, temperature=1.0, threshold=0.5, **SITE)
