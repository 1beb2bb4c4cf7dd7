"""The drawing of the packages and the text around it say what the code is."""

import ast
import re

import pytest

from docs import draw_architecture
from docs.draw_architecture import PACKAGE, ROOT

TEXT = (ROOT / "docs" / "architecture.md").read_text("utf-8")

#: Links such as [`Predictor.predict`](../spinefrac/inference/predictor.py).
NAMED = re.findall(r"\[`([\w.]+)`\]\(\.\./([\w/]+\.py)\)", TEXT)


def defined_names(path: str) -> set[str]:
    """Return the functions, classes, methods and constants that a file defines."""
    found = set()
    for node in ast.parse((ROOT / path).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
            found |= {f"{node.name}.{method.name}" for method in methods}
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def test_the_drawing_is_up_to_date() -> None:
    drawn = draw_architecture.DRAWING.read_text("utf-8")
    assert drawn == draw_architecture.draw(), "run `make docs` and commit docs/architecture.svg"


def test_the_map_names_every_package() -> None:
    packages = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    assert set(draw_architecture.read_purposes()) == packages - {"__init__", "__main__"}


def test_an_arrow_that_a_path_implies_is_left_out() -> None:
    imports = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert draw_architecture.reduce_imports(imports) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_every_arrow_leads_down() -> None:
    rows = {
        name: row for row, layer in enumerate(draw_architecture.read_layers()) for name in layer
    }
    for name, others in draw_architecture.read_imports().items():
        assert all(rows[other] > rows[name] for other in others if rows[name] < max(rows.values()))


@pytest.mark.parametrize(("name", "path"), sorted(set(NAMED)))
def test_named_functions_exist(name: str, path: str) -> None:
    assert name in defined_names(path)


def test_every_word_of_code_in_the_instructions_exists() -> None:
    sources = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    known = {word for path in sources for word in re.findall(r"\w+", path.read_text("utf-8"))}
    instructions = TEXT[TEXT.index("## How to add a network") :]
    named = set(re.findall(r"`(\w+)(?:\(.*?\))?`", instructions))
    assert {"_BACKBONES", "METRIC_NAMES", "render", "_SIGNATURES"} <= named
    assert not named - known


def test_links_to_files_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert len(links) > 30
    assert not [link for link in links if not (ROOT / "docs" / link).exists()]
