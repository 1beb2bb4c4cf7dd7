"""Features of frozen backbones: computed once, found again, and shared between processes."""

import numpy as np
import pytest
from filelock import FileLock

from spinefrac.errors import Cancelled
from spinefrac.exchange import ensemble
from spinefrac.training.augmentation.config import AugmentationConfig
from spinefrac.training.frozen import features
from spinefrac.training.frozen.features import FeatureLoader, FeatureRequest

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
    values = {"variants": 2, "augmentation": AugmentationConfig(), "seed": 3, "batch_size": 32}
    return FeatureRequest(inputs, **(values | changes))


def load(request: FeatureRequest, weight: float = 1.0) -> tuple[np.ndarray, int]:
    """Return the features of all variants, and the number of batches that had to be computed."""
    batches = []
    loader = FeatureLoader(build(weight), request, is_cancelled=lambda: bool(batches.append(1)))
    return np.stack([loader.load(n) for n in range(request.variants + 1)]), len(batches)


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


def test_what_another_process_computes_is_waited_for_and_later_entries_meanwhile(home, monkeypatch):
    monkeypatch.setattr(features, "_POLL_INTERVAL_S", 0.01)
    request = make_request(variants=1)
    load(request)
    first, later = (home / "runs" / "cache" / f"{name}.npy" for name in name_entries(request))
    content = first.read_bytes()
    first.unlink()
    later.unlink()
    asked = []

    def finish_elsewhere() -> bool:
        asked.append(later.is_file())
        if later.is_file() and asked.count(True) == 3:
            first.write_bytes(content)
        return False

    with FileLock(first.with_suffix(".lock")):
        found = FeatureLoader(build(), request, finish_elsewhere).load(0)
        assert asked == [False, False, True, True, True] and found.shape == (ROWS, 2)
        first.unlink()
        with pytest.raises(Cancelled):
            FeatureLoader(build(), request, lambda: True).load(0)


def name_entries(request: FeatureRequest) -> list[str]:
    return request.name_entries(ensemble.hash_weights(build())[0])


def test_progress_counts_the_batches_of_the_variant_that_is_wanted(home):
    seen = []
    loader = FeatureLoader(build(), make_request())
    loader.load(0, lambda *position: seen.append(position))
    assert seen == [(1, 2), (2, 2), (2, 2)]
    seen.clear()
    loader.load(0, lambda *position: seen.append(position))  # from the cache
    assert seen == [(2, 2)]


def test_the_last_batch_is_filled_up_and_cut_again(home):
    whole, _ = load(make_request(variants=0, batch_size=ROWS))
    parts, computed = load(make_request(variants=0, batch_size=7))
    assert computed == 6
    np.testing.assert_allclose(parts, whole, rtol=1e-5)
