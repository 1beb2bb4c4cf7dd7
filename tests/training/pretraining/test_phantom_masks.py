"""Training on masks: it resumes to the bit, and cells lie where the heat map's cells do."""

import cv2
import numpy as np
import pytest

from spinefrac.training import networks
from spinefrac.training.pretraining import phantom_masks
from spinefrac.training.pretraining.phantom_masks import PretrainingSettings
from spinefrac.training.pretraining.phantom_slices import MaskedSlices

SETTINGS = PretrainingSettings(size=32, crop=24, epochs=3, whole_epochs=1, batch_size=8)


@pytest.fixture(scope="module")
def slices() -> MaskedSlices:
    """Sixteen ovals, every other one with a dark band, and the band's mask."""
    rng = np.random.default_rng(0)
    pixels, masks = np.full((16, 32, 32), 60, np.uint8), np.zeros((16, 32, 32), np.uint8)
    for number, (image, mask) in enumerate(zip(pixels, masks, strict=True)):
        cv2.ellipse(image, (16, 16), (12, 9), float(rng.uniform(0, 180)), 0, 360, 200, -1)
        if number % 2:
            cv2.line(mask, (6, int(rng.integers(8, 24))), (26, int(rng.integers(8, 24))), 255, 2)
            image[mask > 0] = 60
    return MaskedSlices(pixels, masks, np.arange(16) % 2, np.arange(16))


@pytest.mark.usefixtures("eager")
def test_training_resumes_to_the_bit(slices, tmp_path):
    """From a checkpoint of crops into whole slices, the last epoch."""

    def stop(record):
        if record.epoch == 2:
            raise InterruptedError

    through, history = phantom_masks.pretrain(slices, slices, SETTINGS)
    path = tmp_path / "checkpoint"
    with pytest.raises(InterruptedError):
        phantom_masks.pretrain(slices, slices, SETTINGS, checkpoint_path=path, on_epoch=stop)
    epochs: list[int] = []
    resumed, again = phantom_masks.pretrain(
        slices,
        slices,
        SETTINGS,
        checkpoint_path=path,
        on_epoch=lambda record: epochs.append(record.epoch),
    )
    assert epochs == [3]
    assert [r.loss for r in again] == [r.loss for r in history]
    for one, other in zip(through.get_weights(), resumed.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_batches_are_the_same_for_a_seed_and_other_in_another_epoch(slices):
    first, again, later = (
        next(phantom_masks.iterate_epoch(slices, SETTINGS, epoch, (12, 12))) for epoch in (1, 1, 2)
    )
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], later[0])
    whole = next(phantom_masks.iterate_epoch(slices, SETTINGS, 3, (16, 16)))
    assert first[0].shape == (8, 24, 24) and whole[0].shape == (8, 32, 32)


def test_slice_and_mask_move_together(slices):
    """Augmented without a change of grey values, the mask still covers the dark band."""
    from dataclasses import replace

    from spinefrac.training.settings import AugmentationConfig

    # The bone is white, soft tissue and band are black.
    pixels = np.where(slices.masks > 0, 0, np.uint8(255)).astype(np.uint8)
    only_bands = replace(slices, pixels=pixels)
    moves = AugmentationConfig(rotation=180, zoom=0.2, brightness=0, shift=0, contrast=0, noise=0)
    settings = replace(SETTINGS, gamma=0.0, augmentation=moves)
    for epoch in (1, 3):
        side = settings.get_side(epoch)
        images, cells = next(
            phantom_masks.iterate_epoch(only_bands, settings, epoch, (side // 2, side // 2))
        )
        assert cells.any()
        for image, mask in zip(images, cells[..., 0], strict=True):
            if mask.any():
                rows, columns = np.nonzero(mask)
                blocks = image.reshape(side // 2, 2, side // 2, 2).min(axis=(1, 3))
                assert (blocks[rows, columns] < 255).all()


@pytest.mark.parametrize("size", [32, 45])
def test_a_cell_lies_where_the_heat_map_sees_the_same_pixel(size):
    """A dot that changes the feature map most in one cell has its mask in that cell or beside."""
    import keras

    model = networks.build_network("compact", size, seed=5)
    features = keras.Model(model.input, model.get_layer("features").output)
    black = np.zeros((1, size, size, 1), np.float32)
    for row, column in ((6, 9), (size - 8, 5), (14, size - 7)):
        dotted = black.copy()
        dotted[0, row : row + 2, column : column + 2] = 255
        change = np.abs(features(dotted)[0] - features(black)[0]).sum(axis=-1)
        mask = (dotted[0, ..., 0]).astype(np.uint8)
        cells = phantom_masks.mask_to_cells(mask, change.shape)
        centre = np.argwhere(cells).mean(axis=0)
        weights = np.where(change > 0.3 * change.max(), change, 0)
        seen = [
            float((weights.sum(axis=1 - axis) * np.arange(len(change))).sum() / weights.sum())
            for axis in (0, 1)
        ]
        assert np.abs(centre - seen).max() <= 1.5


def test_a_crop_holds_the_point_that_it_is_around():
    image, mask = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    mask[3, 37] = 255
    image[20, 20] = 200
    held = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rows, columns = phantom_masks._choose_window(image, mask, 16, rng)
        assert image[rows, columns].shape == (16, 16)
        held.append(bool(mask[rows, columns].any()))
    assert 0.55 < np.mean(held) < 0.95  # as often as the share of crops on fractures says
