"""Labels, probabilities and groups are validated once; every refusal says what came."""

import numpy as np
import pytest

from spinefrac.errors import DatasetError
from spinefrac.evaluation.inputs import check_finite_array, check_labels, make_inputs


def test_groups_are_coded_in_the_order_of_their_names():
    inputs = make_inputs([0, 1, 1], [0.2, 0.9, 0.4], ["b", "a", "b"])
    assert inputs.group_codes.tolist() == [1, 0, 1] and inputs.group_names.tolist() == ["a", "b"]
    assert (inputs.n_slices, inputs.n_groups) == (3, 2)
    assert (inputs.n_positives, inputs.n_negatives, inputs.has_both_classes) == (2, 1, True)


def test_without_groups_every_slice_is_one():
    assert make_inputs([True, False], [0.5, 0.5]).n_groups == 2


@pytest.mark.parametrize("labels", [[], [[0, 1]], [0, 2], ["a", "b"], [0.5, 1]])
def test_labels_other_than_0_and_1_are_refused(labels):
    with pytest.raises(DatasetError, match="Expected"):
        check_labels(labels)


@pytest.mark.parametrize(
    ("values", "told"),
    [([0.1], "one number for each label"), ([0.1, np.nan], "1 of 2"), (["a", "b"], "Expected 2")],
)
def test_what_is_not_one_finite_number_a_label_is_refused(values, told):
    with pytest.raises(DatasetError, match=told):
        check_finite_array(values, 2, "probabilities")


@pytest.mark.parametrize(
    ("scores", "groups", "told"),
    [([-0.1, 0.5], None, "between 0 and 1"), ([0.1, 0.5], ["a"], "one group for each")],
)
def test_logits_and_missing_groups_are_refused(scores, groups, told):
    with pytest.raises(DatasetError, match=told):
        make_inputs([0, 1], scores, groups)
