"""Keep what noise is compared by: in memory, or in a temporary file if there is much."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from types import TracebackType

import numpy as np

from spinefrac.data.duplicates.noise_pattern import DETAIL_SIDE
from spinefrac.errors import DatasetError
from spinefrac.records import GreyImage

#: Bytes of one slice, and bytes that are held in memory: those of 8,192 slices.
SLICE_BYTES = DETAIL_SIDE**2
MAX_MEMORY_BYTES = 8192 * SLICE_BYTES


class DetailStore:
    """Slices of shape (DETAIL_SIDE, DETAIL_SIDE) in the order in which they were appended.

    To be used as a context manager, which removes them.
    """

    def __init__(self, details: Iterable[GreyImage] = ()) -> None:
        # Not in a `with`: the store itself is the context manager.
        self._file = tempfile.SpooledTemporaryFile(MAX_MEMORY_BYTES)  # noqa: SIM115
        self._count = 0
        for detail in details:
            self.append(detail)

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> DetailStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def append(self, detail: GreyImage) -> None:
        """Add one slice, uint8, shape (DETAIL_SIDE, DETAIL_SIDE)."""
        try:
            self._file.seek(self._count * SLICE_BYTES)
            self._file.write(detail.tobytes())
        except OSError as error:
            raise DatasetError(
                f"No room for a temporary file in {tempfile.gettempdir()} ({error.strerror}); it "
                f"takes {SLICE_BYTES // 1024} KB a slice: free some, or set TMPDIR to another "
                "folder."
            ) from None
        self._count += 1

    def read(self, rows: Sequence[int]) -> GreyImage:
        """Return some slices, uint8, shape (len(rows), DETAIL_SIDE, DETAIL_SIDE)."""
        details = np.empty((len(rows), DETAIL_SIDE, DETAIL_SIDE), dtype=np.uint8)
        for detail, row in zip(details, rows, strict=True):
            self._file.seek(int(row) * SLICE_BYTES)
            detail[:] = np.frombuffer(self._file.read(SLICE_BYTES), np.uint8).reshape(detail.shape)
        return details
