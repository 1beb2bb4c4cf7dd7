"""A hundred folders that are no model: damaged, oddly named, oversized, malicious."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from spinefrac.store import card as cards
from tests.support.cards import make_card

#: Values that no field of a card has.
_WRONG_VALUES: tuple[Any, ...] = ("text", -1, 1e300, None, [], {"a": {}}, [[[1]]])

_ODD_NAMES = (
    "Capitals",
    "with space",
    "line\nbreak",
    "tab\tname",
    "bell\a",
    "percent%20%s%n",
    "dot.dot",
    "trailing.",
    "trailing ",
    "\u202egnp.exe",
    "\u2066isolate",
    "zero\u200bwidth",
    "emoji-\U0001f9b4",
    "x" * 200,
    "quote'\"`",
    "<b>bold",
    "**bold**",
    "$x^2$",
    ":red[x]",
    "a;b|c&d",
    "..a",
    "CON",
    "nul",
    "-dash",
    "dash-",
    "a--b",
    "ü" * 100,
    "back\\slash",
    "\u0000".replace("\0", "e\u0301"),
    os.fsdecode(b"not-utf8-\xff\xfe"),
)


def make_odd_models(models: Path, whole: Path) -> list[str]:
    """Fill a models folder; return the names of the folders that are made.

    Parameters
    ----------
    models : Path
        Of a home of its own.
    whole : Path
        The folder of a whole model, of which copies are damaged.
    """
    before = {path.name for path in models.iterdir()}
    for name in _ODD_NAMES:
        (models / name).mkdir()
    _write_wrong_cards(models)
    for number, damage in enumerate(_damages(whole)):
        folder = models / f"damaged-{number}"
        folder.mkdir()
        damage(folder)
    for number in range(5):  # names that Windows and other systems forbid
        (models / f"a{':*?<|'[number]}b").mkdir()
    (models / "link-to-nothing-in-it").symlink_to(models / "Capitals")
    _add_stray_files(models)
    return sorted(
        path.name
        for path in models.iterdir()
        if path.is_dir() and path.name not in before and not path.name.startswith(".")
    )


def _write_wrong_cards(models: Path) -> None:
    """Write cards that are signed, with a wrong value in each field in turn."""
    plain = make_card().to_dict()
    for number, field in enumerate(sorted(plain)):
        wrong = _WRONG_VALUES[number % len(_WRONG_VALUES)]
        if type(wrong) is type(plain[field]) or (wrong is None and plain[field] is None):
            wrong = 17
        if field == "note":
            wrong = 5
        folder = models / f"wrong-{field.replace('_', '-')}"
        folder.mkdir()
        (folder / "card.json").write_bytes(cards.add_checksum({**plain, field: wrong}))
    text = json.dumps(plain)
    inside = [
        text.replace('"temperature": 1.25', f'"temperature": {wrong}')
        for wrong in ("-1", "1e999", '"a"', "[]", "NaN", "true")
    ]
    inside += [
        text.replace('"size": 64', f'"size": {wrong}') for wrong in ("0", "1e9", "-64", '"64"')
    ]
    inside += [
        text.replace('"groups": 2', '"groups": "two"'),
        text.replace("[0.25, 1.0]", "[0.25]"),
    ]
    inside += [text.replace("[[1, 1], [0, 2]]", "[[1]]"), text.replace("ef56", "../.")]
    for number, content in enumerate(inside):
        assert content != text
        folder = models / f"wrong-inside-{number}"
        folder.mkdir()
        (folder / "card.json").write_bytes(_sign(content))


def _sign(content: str) -> bytes:
    """Return JSON that no longer is a card, or no longer JSON, with the hash that makes it one."""
    placeholder = "0" * 64
    unsigned = f'{{"sha256": "{placeholder}", {content[1:]}'.encode()
    digest = hashlib.sha256(unsigned).hexdigest()
    return unsigned.replace(placeholder.encode(), digest.encode(), 1)


def _damages(whole: Path) -> Iterator[Callable[[Path], object]]:
    """Yield what makes a folder a damaged model."""
    card = whole / "card.json"
    contents = (
        b"",
        b"{}",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"\xff\xfe",
        card.read_bytes()[:99],
        card.read_bytes().replace(b'"id"', b'"ID"'),
        b'{"schema_version": 99}',
        b'{"schema_version": "1"}',
        b'{"schema_version": 1e400}',
        b'{"schema_version": true}',
        b'{"schema_version": ' + b"9" * 5000 + b"}",
    )
    for content in contents:
        yield lambda folder, content=content: (folder / "card.json").write_bytes(content)
    yield lambda folder: None
    yield lambda folder: (folder / "card.json").mkdir()
    yield lambda folder: os.mkfifo(folder / "card.json")
    yield lambda folder: os.truncate(_touch(folder / "card.json"), 2**30)
    yield lambda folder: (folder / "card.json").symlink_to("card.json")
    yield lambda folder: (folder / "card.json").symlink_to("/dev/zero")
    yield lambda folder: (folder / "card.json").symlink_to(card)  # a whole card without files
    yield lambda folder: _copy_but(whole, folder, "serving.onnx", lambda path: path.unlink())
    yield lambda folder: _copy_but(whole, folder, "serving.onnx", _append)
    yield lambda folder: _copy_but(whole, folder, "serving.onnx", _replace_by_pipe)
    yield lambda folder: _copy_but(whole, folder, "serving.onnx", _replace_by_folder)
    yield lambda folder: _copy_but(whole, folder, "slip.json", _replace_by_pipe)
    yield lambda folder: _copy_but(whole, folder, "slip.json", _replace_by_folder)
    yield lambda folder: _copy_but(
        whole, folder, "slip.json", lambda path: path.write_bytes(b"[" * 99_999)
    )


def _touch(path: Path) -> Path:
    path.touch()
    return path


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def _replace_by_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _replace_by_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _copy_but(whole: Path, folder: Path, name: str, damage: Callable[[Path], object]) -> None:
    for path in whole.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    damage(folder / name)


def _add_stray_files(models: Path) -> None:
    """Add what is no folder, and what looks like a deleted model and is none."""
    (models / "stray.txt").write_text("x")
    (models / "stray\nfile").write_text("x")
    (models / "loop").symlink_to("loop")
    os.mkfifo(models / "pipe")
    for name in (
        "x.99999999T999999999999.s",
        "x.00000000T000000000000.s",
        "x.20260230T000000000000.s",
        "line\nbreak.20260101T000000000000.s",
        "\u202ex.20260101T000000000000.cli",
        os.fsdecode(b"\xff.20260101T000000000000.cli"),
    ):
        (models / f".trash-{name}").mkdir()
