"""Output of a command: its result on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from spinefrac.redaction import NAMES_KEPT_NOTE, to_printable

#: The option that every command has.
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON value on stdout and nothing else there.")
]

#: The option of every command that writes what may leave; see `spinefrac.redaction`.
KeepNamesOption = Annotated[
    bool,
    typer.Option(
        "--keep-names",
        help="Keep file names, groups and series of the training slices, and say so in what is "
        "written. They may identify patients; by default they are numbers.",
    ),
]


def print_json(value: Any) -> None:
    """Print the result as JSON."""
    print(json.dumps(value, indent=2, allow_nan=False), flush=True)


def print_line(text: str) -> None:
    """Print one line of the result for people; a line end in it is part of a name."""
    print_result(to_printable(text))


def print_result(text: str) -> None:
    """Print the result for people, in lines; names in them go through `to_printable` before."""
    encoding = sys.stdout.encoding or "utf-8"
    text = to_printable(text, keep_lines=True)
    # The text may hold characters that the terminal cannot show.
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def print_message(message: str) -> None:
    """Print a message on stderr, in one line."""
    print(to_one_line(message), file=sys.stderr, flush=True)


def print_error(message: str, status: int = 1) -> int:
    """Print an error on stderr, in one line, and return the exit status."""
    print_message(f"error: {message}")
    return status


def print_if_names_kept(names_kept: bool) -> None:
    """Say that names were kept in what was written, where they were."""
    if names_kept:
        print_message(f"note: {NAMES_KEPT_NOTE}")


def to_one_line(message: str) -> str:
    """Collapse white space and replace control characters, which a file name may contain."""
    return to_printable(" ".join(message.split()))


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Format rows in columns; the first row is the heading."""
    rows = [[to_printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


@contextmanager
def show_progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar if stderr is a terminal; yields a function of (done, total)."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
