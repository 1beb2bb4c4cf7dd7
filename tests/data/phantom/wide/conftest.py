"""A vertebra that the tests of this folder draw on."""

import numpy as np
import pytest

from spinefrac.data.phantom.anatomy import Anatomy, Bone, Region, build_bone


def sample_anatomy(region: Region, seed: int = 0) -> Anatomy:
    """Return the first anatomy of a region that is drawn from a seed."""
    rng = np.random.default_rng(seed)
    while (anatomy := Anatomy.sample(rng, 8)).region is not region:
        pass
    return anatomy


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.fixture
def anatomy() -> Anatomy:
    return sample_anatomy(Region.LUMBAR)


@pytest.fixture
def bone(anatomy: Anatomy, rng: np.random.Generator) -> Bone:
    """The bone of a slice through the pedicles, 0.4 mm a pixel."""
    index = next(i for i in range(8) if 0.2 < anatomy.relative_height(i) < 0.5)
    return build_bone(anatomy, index, rng, 0, 0.4)
