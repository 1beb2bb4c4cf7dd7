"""`spinefrac app`: the pages, on this machine only."""

from __future__ import annotations

import runpy
import sys
from typing import Annotated

import typer

from spinefrac import settings


def open_pages(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8501,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the pages in the browser.")
    ] = True,
) -> None:
    """Start the pages on http://127.0.0.1:PORT, for this machine only, and open them.

    Models, runs and the history are in HOME: SPINEFRAC_HOME if it is set, else the checkout, else
    for an installed package a folder of yours, on Linux ~/.local/share/spinefrac. Data sets are
    looked for in HOME/data, or in the folders that SPINEFRAC_DATA_ROOTS lists. Ctrl-C ends the
    pages; runs go on without them. For other machines and REST see `spinefrac serve`.
    """
    options = {
        "server.address": "127.0.0.1",
        "server.port": port,
        "server.headless": str(not browser).lower(),
    }
    script = str(settings.app_script())
    sys.argv = [
        "streamlit",
        "run",
        script,
        *(f"--{name}={value}" for name, value in options.items()),
    ]
    runpy.run_module("streamlit", run_name="__main__")
