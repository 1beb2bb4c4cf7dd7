"""The chapters of the documentation, and their text as the site and the page Help need it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from spinefrac import settings
from spinefrac.errors import SpinefracError

#: The part of an address that names a chapter.
PARAMETER = "chapter"

#: A link of Markdown that is no picture: label and target.
_LINK = re.compile(r"(?<!!)\[([^\]\n]*(?:\n[^\]\n]*)?)\]\(([^)\s]+)\)")
_PICTURE = re.compile(r"^!\[([^\]]*)\]\(([^)\s]+)\)$", re.M)
_COMMENT = re.compile(r"<!--.*?-->\n?", re.S)
_FENCE = "```"


@dataclass(frozen=True)
class Chapter:
    """A file of the documentation, and its title in the navigation."""

    title: str
    path: str


@dataclass(frozen=True)
class Picture:
    """A picture between two parts of a chapter, and what it shows."""

    file: Path
    text: str


def find_folder() -> Path:
    """Return what holds `mkdocs.yml` and `docs`: a checkout, or what a wheel brings.

    Raises
    ------
    SpinefracError
        The package was installed without them.
    """
    folder = settings.documentation_dir()
    if not (folder / "mkdocs.yml").is_file():
        raise SpinefracError(
            "Expected the documentation beside the package, found none: install spinefrac from a "
            "wheel or start it from a checkout"
        )
    return folder


def list_chapters(folder: Path) -> list[Chapter]:
    """Return the chapters in the order of the navigation of `mkdocs.yml`."""
    config = yaml.safe_load((folder / "mkdocs.yml").read_text("utf-8"))
    return list(_flatten(config["nav"]))


def _flatten(entries: list[Any], section: str = "") -> Iterator[Chapter]:
    """Yield the chapters of a navigation; the first one of a section has the section's title."""
    for entry in entries:
        ((title, target),) = entry.items() if isinstance(entry, dict) else [(section, entry)]
        if isinstance(target, list):
            yield from _flatten(target, title)
        else:
            yield Chapter(title, target)


def read_parts(folder: Path, chapter: Chapter, chapters: list[Chapter]) -> list[str | Picture]:
    """Return a chapter as texts and pictures, in their order.

    Links to chapters become addresses of the page Help, other links within the checkout become
    plain text, and headings are those of a part of a page.
    """
    titles = {other.path: other.title for other in chapters}

    def replace(link: re.Match[str]) -> str:
        if re.match(r"https?:|#", link[2]):
            return link[0]
        title = titles.get(resolve(chapter.path, link[2]))
        anchor = link[2].partition("#")[2]
        address = f"?{urlencode({PARAMETER: title})}{'#' if anchor else ''}{anchor}"
        return f"[{link[1]}]({address})" if title else link[1]

    text = (folder / "docs" / chapter.path).read_text("utf-8")
    text = _lower_headings(_COMMENT.sub("", _LINK.sub(replace, text)))
    pieces = _PICTURE.split(text)  # text, what a picture shows, its target, text, ...
    parts: list[str | Picture] = [pieces[0]]
    for shown, target, following in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        parts += [Picture(folder / "docs" / resolve(chapter.path, target), shown), following]
    return parts


def _lower_headings(text: str) -> str:
    """Return a text whose headings are a level lower, as the page has one above them."""
    lines, in_code = text.split("\n"), False
    for number, line in enumerate(lines):
        in_code ^= line.startswith(_FENCE)
        if line.startswith("#") and not in_code:
            lines[number] = f"#{line}"
    return "\n".join(lines)


def replace_outside_links(markdown: str, chapter: str) -> str:
    """Return a text whose links to files outside of the documentation are plain text.

    Parameters
    ----------
    markdown : str
    chapter : str
        Path of the file within the documentation, such as ``deploy/README.md``.
    """

    def replace(link: re.Match[str]) -> str:
        is_outside = resolve(chapter, link[2]).startswith("../")
        return link[1] if is_outside else link[0]

    return _LINK.sub(replace, markdown)


def resolve(chapter: str, target: str) -> str:
    """Return the path of a relative link within the documentation, without its anchor.

    >>> resolve("deploy/README.md", "../team-server.md#roles")
    'team-server.md'
    """
    return posixpath.normpath(posixpath.join(posixpath.dirname(chapter), target.split("#")[0]))
