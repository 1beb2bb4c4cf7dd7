"""Details come back as they were appended, from memory and from a file."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from spinefrac.data.duplicates import detail_store
from spinefrac.data.duplicates.detail_store import DetailStore
from spinefrac.data.duplicates.noise_pattern import DETAIL_SIDE
from spinefrac.errors import DatasetError


@pytest.mark.parametrize("bytes_in_memory", [1, 1 << 20])
def test_what_was_appended_is_read(monkeypatch, bytes_in_memory):
    monkeypatch.setattr(detail_store, "MAX_MEMORY_BYTES", bytes_in_memory)
    rng = np.random.default_rng(0)
    details = rng.integers(0, 256, (5, DETAIL_SIDE, DETAIL_SIDE), dtype=np.uint8)
    with DetailStore(details[:3]) as store:
        assert np.array_equal(store.read([2, 0]), details[[2, 0]])
        for detail in details[3:]:
            store.append(detail)
        assert len(store) == 5
        assert np.array_equal(store.read([4, 4, 1]), details[[4, 4, 1]])
        assert store.read([]).shape == (0, DETAIL_SIDE, DETAIL_SIDE)
    with pytest.raises(ValueError, match="closed"):
        store.read([0])


def test_no_room_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setattr(detail_store, "MAX_MEMORY_BYTES", 1)
    with Path("/dev/full").open("w+b", buffering=0) as full:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda *_, **__: full)
        store = DetailStore()
        with pytest.raises(DatasetError, match=r"No room for a temporary file .*set TMPDIR"):
            store.append(np.zeros((DETAIL_SIDE, DETAIL_SIDE), np.uint8))
