"""The median is that of NumPy."""

import numpy as np
import pytest

from spinefrac.imaging.median import median


@pytest.mark.parametrize("count", [1, 2, 3, 4, 999, 1000])
def test_it_is_that_of_numpy_to_the_last_bit(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count).astype(np.float32)
    assert median(values) == float(np.median(values))


def test_equal_values_are_their_own_median() -> None:
    assert median(np.full(40, 7.5, np.float32)) == 7.5
