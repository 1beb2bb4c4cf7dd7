"""Features of frozen backbones: computed once, found again, and shared between processes."""

import numpy as np
import pytest
from filelock import FileLock

from spinefrac.errors import Cancelled
from spinefrac.training.augmentation.config import AugmentationConfig
from spinefrac.training.frozen import features
from spinefrac.training.frozen.features import FeatureRequest, load_features

SIZE, ROWS = 16, 40


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


def build(weight: float = 1.0):
    import keras

    image = keras.Input((SIZE, SIZE, 1))
    scaled = keras.layers.Conv2D(2, 1, kernel_initializer=keras.initializers.Constant(weight))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(scaled(image)))


def make_request(**changes) -> FeatureRequest:
    inputs = np.random.default_rng(0).integers(0, 256, (ROWS, SIZE, SIZE), np.uint8)
    values = {"variants": 2, "augmentation": AugmentationConfig(), "seed": 3}
    return FeatureRequest(inputs, **(values | changes))


def load(request: FeatureRequest, weight: float = 1.0) -> tuple[np.ndarray, int]:
    """Return the features, and the number of batches that had to be computed."""
    batches = []
    model = build(weight)
    found = load_features(model, request, is_cancelled=lambda: bool(batches.append(1)))
    return found, len(batches)


def test_they_are_computed_once(home):
    first, computed = load(make_request())
    assert computed == 6 and first.shape == (3, ROWS, 2)  # two batches a variant
    np.testing.assert_allclose(first[0, :, 0], make_request().inputs.mean(axis=(1, 2)), rtol=1e-4)
    assert not np.allclose(first[1], first[0], atol=0.1)
    again, computed = load(make_request())
    assert computed == 0 and np.array_equal(first, again)
    assert load(make_request(variants=3))[1] == 2  # the others are there


def test_whatever_would_change_them_is_part_of_the_name(home):
    load(make_request())
    assert load(make_request(seed=4))[1] == 4  # the slices as they are do not depend on it
    assert load(make_request(augmentation=AugmentationConfig(rotation=1.0)))[1] == 4
    assert load(make_request(), weight=2.0)[1] == 6
    other = make_request()
    other.inputs[7, 3, 3] ^= 1
    assert load(other)[1] == 6


def test_a_damaged_entry_is_computed_again(home):
    first, _ = load(make_request())
    entry = next((home / "runs" / "cache").glob("*.npy"))
    entry.write_bytes(entry.read_bytes()[:-40] + bytes(40))
    again, computed = load(make_request())
    assert computed == 2 and np.array_equal(first, again)


def test_what_another_process_computes_is_waited_for(home, monkeypatch):
    monkeypatch.setattr(features, "_POLL_INTERVAL_S", 0.01)
    request = make_request(variants=0)
    load(request)
    (entry,) = (home / "runs" / "cache").glob("*.npy")
    content = entry.read_bytes()
    entry.unlink()
    asked = []

    def finish_elsewhere() -> bool:
        asked.append(1)
        if len(asked) == 3:
            entry.write_bytes(content)
        return False

    with FileLock(entry.with_suffix(".lock")):
        found = load_features(build(), request, is_cancelled=finish_elsewhere)
        assert len(asked) == 3 and found.shape == (1, ROWS, 2)
        entry.unlink()
        with pytest.raises(Cancelled):
            load_features(build(), request, is_cancelled=lambda: True)


def test_progress_counts_batches_of_all_variants(home):
    seen = []
    load_features(build(), make_request(), on_batch=lambda *position: seen.append(position))
    assert seen[0] == (1, 6) and seen[-1] == (6, 6) and seen == sorted(seen)
