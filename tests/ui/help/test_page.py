"""The page Help: every chapter is drawn, its pictures too, and its links lead to chapters."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.ui.help import chapters
from tests.support.app import page

ROOT = Path(__file__).resolve().parents[3]
CHAPTERS = chapters.list_chapters(ROOT)


def open_chapter(title: str) -> AppTest:
    app = page("help")
    app.query_params[chapters.PARAMETER] = title
    app.run()
    assert not app.exception and not app.error
    return app


def test_a_chapter_is_opened_by_its_address_and_says_what_its_file_says(empty_home: Path) -> None:
    app = open_chapter("Training")
    assert app.selectbox(key=chapters.PARAMETER).value == "Training"
    text = "\n".join(part.value for part in app.markdown)
    assert "## Training" in text and "spinefrac train slices --estimate" in text
    app.selectbox(key=chapters.PARAMETER).select("Architecture").run()
    assert not app.exception and "## Architecture" in app.markdown[0].value
    assert len(app.get("image")) == 1


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.path)
def test_links_lead_to_chapters_and_pictures_are_there(chapter: chapters.Chapter) -> None:
    titles = {other.title for other in CHAPTERS}
    parts = chapters.read_parts(ROOT, chapter, CHAPTERS)
    for part in parts:
        if isinstance(part, chapters.Picture):
            assert part.file.is_file() and part.text
            continue
        assert "<!--" not in part and not re.search(
            r"^# ", re.sub(r"(?s)```.*?```", "", part), re.M
        )
        for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", part):
            if not re.match(r"https?:|#", target):
                (title,) = parse_qs(target.partition("#")[0].removeprefix("?"))["chapter"]
                assert title in titles


def test_titles_are_unlike() -> None:
    titles = [chapter.title for chapter in CHAPTERS]
    assert len(titles) == len(set(titles)) > 20
