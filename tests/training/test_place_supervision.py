"""Places teach the feature map: the loss says where, and the saved network does not change."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.data.places import MASK, PlaceMaps
from spinefrac.errors import Cancelled
from spinefrac.training import networks, place_supervision
from spinefrac.training.augmentation.transforms import TransformParams, apply_spatial_transforms
from spinefrac.training.train_fold import FitCallbacks, train_fold
from spinefrac.training.workspace import RunWorkspace


def loss_of(values, logits) -> float:
    maps, given = (np.asarray(a, np.float32)[None, ..., None] for a in (values, logits))
    return float(np.asarray(place_supervision.compute_place_loss(maps, given))[0])


@pytest.fixture
def marked(plan) -> RunWorkspace:
    """The plan with the place of every third fracture, in both folds: a box or a mask."""
    rows = np.flatnonzero(plan.labels)[::3]
    maps = np.zeros((len(rows), *plan.inputs.shape[1:]), np.uint8)
    maps[0::2, 10:20] = 1
    maps[1::2, 14:17] = MASK
    return replace(plan, places=PlaceMaps(rows, maps))


def test_of_a_box_some_cell_must_be_positive_and_of_a_mask_each() -> None:
    sure, one = np.full((3, 3), -9.0), np.full((3, 3), -9.0)
    one[1, 1] = 9.0
    box, mask = np.zeros((3, 3)), np.zeros((3, 3))
    box[1], mask[1] = 1, MASK
    assert loss_of(box, one) < 0.01 < 2 < loss_of(mask, one) < loss_of(mask, sure)
    assert loss_of(box, sure) == pytest.approx(4.5, abs=0.01)


def test_every_box_counts_and_cells_outside_are_negative() -> None:
    two = np.zeros((3, 3))
    two[0], two[2] = 1, 2
    one_found = np.array([[9.0, -9, -9], [-9, -9, -9], [-9, -9, -9]])
    both = one_found.copy()
    both[2, 1] = 9.0
    assert loss_of(two, both) < 0.01 < 2 < loss_of(two, one_found)
    assert loss_of(np.zeros((3, 3)), both) == pytest.approx(1.0, abs=0.01)  # 9 × 2/9 / 2


def test_a_map_moves_with_its_slice() -> None:
    slices = np.zeros((32, 32), np.uint8)
    slices[6:12, 20:28] = 255
    params = TransformParams(flip=True, rotation=20, zoom=0.1, shift=(2.0, -1.0))
    moved = place_supervision.transform_map(slices, params)
    assert set(np.unique(moved)) == {0, 255}
    assert np.mean((moved > 0) != (apply_spatial_transforms(slices, params) > 127)) < 0.01


def test_slices_of_unknown_place_have_no_weight(marked) -> None:
    from spinefrac.training.augmentation.config import AugmentationConfig
    from spinefrac.training.augmentation.transforms import Augmenter

    known, unknown = marked.places.rows[0], np.flatnonzero(marked.labels)[1]
    normal = np.flatnonzero(marked.labels == 0)[0]
    still = Augmenter(AugmentationConfig.identity(), 0)
    maps, weights = place_supervision.make_place_targets(
        marked, np.array([known, unknown, normal]), still, 1, (8, 8)
    )
    assert weights.tolist() == [1, 0, 1]
    assert maps.shape == (3, 8, 8, 1) and maps[0].any() and not maps[1:].any()


@pytest.mark.usefixtures("eager")
def test_places_change_what_is_learnt_but_not_the_network(marked, plan) -> None:
    with_places, without = train_fold(marked, 0), train_fold(plan, 0)
    assert not np.allclose(with_places.logits, without.logits)
    portable = networks.build_network("compact", 32)
    portable.load_weights(with_places.weights)  # the same variables


@pytest.mark.usefixtures("eager")
def test_a_stopped_fold_with_places_continues_as_if_it_had_not_stopped(marked) -> None:
    (marked.folder / "whole").mkdir()
    whole = train_fold(replace(marked, folder=marked.folder / "whole"), 0)
    seen = []
    stopped = FitCallbacks(on_epoch=seen.append, is_cancelled=lambda: len(seen) == 1)
    with pytest.raises(Cancelled):
        train_fold(marked, 0, stopped, save_checkpoints=True)
    again = train_fold(marked, 0, save_checkpoints=True)
    assert np.array_equal(again.logits, whole.logits)


def test_a_workspace_carries_its_places(marked) -> None:
    marked.write()
    read = RunWorkspace.read(marked.folder)
    assert np.array_equal(read.places.rows, marked.places.rows)
    assert np.array_equal(read.places.maps, marked.places.maps)
    replace(marked, places=None).write()
    assert RunWorkspace.read(marked.folder).places is None


def test_a_network_without_a_feature_map_keeps_its_labels_only(marked) -> None:
    import keras

    image = keras.Input((32, 32, 1))
    dense = keras.layers.Dense(1)(keras.layers.Flatten()(image))
    assert place_supervision.add_place_output(keras.Model(image, dense)) is None
