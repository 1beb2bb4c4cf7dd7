"""Writes every address that a process connects to into the file that SPINEFRAC_TRACE names."""

import os
import sys
from pathlib import Path

_FILE = os.environ.get("SPINEFRAC_TRACE", "")
_EVENTS = ("socket.connect", "socket.sendto", "socket.getaddrinfo")


def _note(event, arguments):
    if event in _EVENTS:
        address = arguments[0] if event == "socket.getaddrinfo" else arguments[-1]
        with Path(_FILE).open("a") as file:
            file.write(f"{event} {address!r}\n")


if _FILE:
    sys.addaudithook(_note)
