"""The preview shows what training sees, by the object that training calls."""

import numpy as np

from spinefrac.training.augmentation import preview
from spinefrac.training.augmentation.config import AugmentationConfig
from spinefrac.training.augmentation.transforms import Augmenter

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
CONFIG = AugmentationConfig(rotation=10, flip=True)


def test_each_epoch_is_that_of_training() -> None:
    shown = preview.preview_epochs(PIXELS, CONFIG, seed=7, index=3, count=4)
    trained = [Augmenter(CONFIG, 7)(PIXELS, epoch, 3) for epoch in (1, 2, 3, 4)]
    assert all(np.array_equal(a, b) for a, b in zip(shown, trained, strict=True))
    assert not np.array_equal(shown[0], shown[1])


def test_the_ends_of_a_range_and_of_a_flip() -> None:
    (low, left), (high, right) = preview.preview_range_ends(PIXELS, CONFIG, "rotation")
    assert (low, high) == (-10, 10) and not np.array_equal(left, right)
    (_, same), (_, mirrored) = preview.preview_range_ends(PIXELS, CONFIG, "flip")
    assert np.array_equal(same, PIXELS) and np.array_equal(mirrored, PIXELS[:, ::-1])


def test_steps_go_evenly_from_one_end_to_the_other() -> None:
    values = [value for value, _ in preview.preview_range(PIXELS, CONFIG, "rotation", count=5)]
    assert values == [-10, -5, 0, 5, 10]


def test_the_order_is_that_of_the_files_until_an_audit_knows_better(folder) -> None:
    order = preview.list_training_order(folder)
    assert len(order.paths) == 48 and not order.is_exact
    assert order.paths[0] == "fracture/P00_0.png"
