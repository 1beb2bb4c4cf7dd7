"""The documentation builds without a warning, loads nothing from elsewhere, and fits the code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from docs import write_reference

pytest.importorskip("material", reason="`make test` installs mkdocs-material")

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, built by MkDocs; a broken link or a chapter without a place fails."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_chapter_is_built(site: Path) -> None:
    chapters = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    built = {Path(str(path).replace("README", "index")) for path in chapters}
    assert len(built) > 20 and not [path for path in built if not (site / path).is_file()]


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    """Links may lead elsewhere; scripts, styles, fonts and pictures may not."""
    loads = {
        ".html": r"<(?:script|img|iframe|source|link)[^>]* (?:src|href)=\"?https?://[^ >]*",
        ".css": r"(?:url\(|@import )[\"']?(?:https?:)?//[^)\"' ]*",
    }
    files = [path for path in site.rglob("*") if path.suffix in loads]
    assert {path.suffix for path in files} == set(loads)
    foreign = [re.findall(loads[path.suffix], path.read_text("utf-8")) for path in files]
    assert not any(foreign)


@pytest.mark.parametrize("name", write_reference.REFERENCES)
def test_the_references_say_what_the_code_says(name: str) -> None:
    """So nothing is undocumented: no command, option, route, field, function or parameter."""
    written = (DOCS / name).read_text("utf-8")
    assert written == write_reference.fill(name), "run `make docs` and commit what it writes"


def test_the_references_are_not_empty() -> None:
    assert "--threshold-rule" in write_reference.describe_commands()
    assert "`POST /api/v1/predict/heatmap`" in write_reference.describe_routes()
    assert "`positive_class`" in write_reference.describe_functions()


def test_pictures_are_modest() -> None:
    large = [path.name for path in DOCS.rglob("*.png") if path.stat().st_size > 150_000]
    assert not large


def test_every_chapter_has_a_place_in_the_navigation() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    placed = re.findall(r"[\w/-]+\.md", str(config["nav"]))
    chapters = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert sorted(placed) == sorted(chapters)
