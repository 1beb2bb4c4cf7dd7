"""HTML that many sessions show of the same thing, drawn once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from markupsafe import Markup

_T = TypeVar("_T")

#: Pieces that are kept; the oldest is dropped first.
_MAX_PIECES = 64


class SharedHtml(Generic[_T]):
    """Draws a reading once, however many sessions show it.

    Parameters
    ----------
    render : callable
        Returns the HTML of a reading.
    """

    def __init__(self, render: Callable[[_T], Markup]) -> None:
        self._render = render
        self._lock = threading.Lock()
        self._pieces: dict[str, tuple[_T, Markup]] = {}

    def get(self, key: str, reading: _T) -> Markup:
        """Return the HTML of a reading; the same object under the same key is drawn once.

        Sessions that come meanwhile wait, since drawing it twice would take longer.
        """
        with self._lock:
            known = self._pieces.get(key)
            if known is not None and known[0] is reading:
                return known[1]
            html = self._render(reading)
            self._pieces.pop(key, None)
            self._pieces[key] = reading, html
            while len(self._pieces) > _MAX_PIECES:
                del self._pieces[next(iter(self._pieces))]
            return html
