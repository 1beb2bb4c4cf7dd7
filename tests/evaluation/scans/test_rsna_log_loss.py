"""The loss of the RSNA 2022 challenge against values worked out by hand."""

import numpy as np
import pytest

from spinefrac.errors import DatasetError
from spinefrac.evaluation.scans.rsna_log_loss import compute_rsna_log_loss


def test_the_loss_of_the_rsna_challenge():
    half = np.full((2, 7), 0.5)
    ignorant = compute_rsna_log_loss([0, 1], half[:, 0], np.eye(2, 7, dtype=int), half)
    assert ignorant == pytest.approx(np.log(2))  # whatever the weights
    # One fractured vertebra of seven: weights 14, 2 and six times 1, divided by 22.
    labels = np.array([[1, 0, 0, 0, 0, 0, 0]])
    scores = np.array([[0.8, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]])
    by_hand = -(14 * np.log(0.9) + 2 * np.log(0.8) + 6 * np.log(0.9)) / 22
    assert compute_rsna_log_loss([1], [0.9], labels, scores) == pytest.approx(by_hand)
    # Without one: weights 7 and seven times 1.
    by_hand = -(7 * np.log(0.7) + 7 * np.log(0.9)) / 14
    found = compute_rsna_log_loss([0], [0.3], np.zeros((1, 7), int), np.full((1, 7), 0.1))
    assert found == pytest.approx(by_hand)


def test_a_certain_error_costs_much_and_not_everything():
    assert 30 < compute_rsna_log_loss([1], [0.0])[0] < 40


def test_vertebrae_of_other_scans_are_refused():
    with pytest.raises(DatasetError, match=r"of 2 scans, got shapes \(1, 7\) and \(1, 7\)"):
        compute_rsna_log_loss([0, 1], [0.5, 0.5], np.zeros((1, 7)), np.zeros((1, 7)))
