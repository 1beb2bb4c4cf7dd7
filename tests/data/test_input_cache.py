"""The cache of inputs: whole or not at all, noticed when damaged, bounded."""

import os

import numpy as np
import pytest

from spinefrac.data import input_cache

SHAPE = (3, 4, 4)
ROWS = np.arange(48, dtype=np.uint8).reshape(SHAPE)


def test_what_was_stored_is_mapped_read_only(tmp_path):
    path = tmp_path / "cache" / "x.npy"
    input_cache.write_entry(path, iter(ROWS), SHAPE)
    loaded = input_cache.load_entry(path, SHAPE)
    assert isinstance(loaded, np.memmap) and np.array_equal(loaded, ROWS)
    with pytest.raises(ValueError, match="read-only"):
        loaded[0] = 1


@pytest.mark.parametrize("at", [0, 10, 130, -40, -1])
def test_any_flipped_byte_is_noticed(tmp_path, at):
    path = tmp_path / "x.npy"
    input_cache.write_entry(path, iter(ROWS), SHAPE)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    assert input_cache.load_entry(path, SHAPE) is None


@pytest.mark.parametrize("size", [0, 5, 100, 150, 200])
def test_a_cut_entry_is_noticed(tmp_path, size):
    path = tmp_path / "x.npy"
    input_cache.write_entry(path, iter(ROWS), SHAPE)
    path.write_bytes(path.read_bytes()[:size])
    assert input_cache.load_entry(path, SHAPE) is None
    assert input_cache.load_entry(tmp_path / "missing.npy", SHAPE) is None


def test_another_shape_is_not_served(tmp_path):
    input_cache.write_entry(tmp_path / "x.npy", iter(ROWS), SHAPE)
    assert input_cache.load_entry(tmp_path / "x.npy", (3, 4, 5)) is None


def test_a_broken_off_write_leaves_nothing(tmp_path):
    def rows():
        yield ROWS[0]
        raise RuntimeError("decoder")

    with pytest.raises(RuntimeError, match="decoder"):
        input_cache.write_entry(tmp_path / "x.npy", rows(), SHAPE)
    assert list(tmp_path.iterdir()) == []


def test_the_entry_unused_longest_goes_first(tmp_path, monkeypatch):
    names = ["a.npy", "b.npy", "c.npy"]
    for age, name in enumerate(names):
        input_cache.write_entry(tmp_path / name, iter(ROWS), SHAPE)
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    assert input_cache.load_entry(tmp_path / "a.npy", SHAPE) is not None  # now the one used last
    stale = tmp_path / "killed.tmp"
    stale.write_bytes(b"half")
    os.utime(stale, (1000, 1000))
    monkeypatch.setattr(input_cache, "MAX_CACHE_BYTES", 3 * (tmp_path / "a.npy").stat().st_size)
    input_cache.write_entry(tmp_path / "d.npy", iter(ROWS), SHAPE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "c.npy", "d.npy"]
