"""The shape of the code: small folders, short functions, thin pages, a test file a module."""

import ast
import inspect
import re
import tomllib
from pathlib import Path

import pytest
import typer

from spinefrac.cli import app

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "spinefrac"

#: Modules that a folder may hold; `cli` has one a command.
MAX_MODULES = 20
#: Lines of a function from `def` to its end. The docstring is not counted: a public function has
#: a line for each parameter, and that should be no reason to split the code. Of a command only
#: the body is counted: its signature is the text of `--help`.
MAX_LINES = 50

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.name.startswith("__"))
SOURCES = [
    *sorted(PACKAGE.rglob("*.py")),
    *sorted((ROOT / "benchmarks").glob("*.py")),
    *sorted((ROOT / "fuzz").glob("*.py")),
    *sorted((ROOT / "docs").glob("*.py")),
]
PAGES = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]


def command_lines(group: typer.Typer = app) -> set[tuple[str, int]]:
    """Return file and first line of the function behind each command."""
    found = set()
    for command in group.registered_commands:
        assert command.callback is not None
        code = inspect.unwrap(command.callback).__code__
        found.add((code.co_filename, code.co_firstlineno))
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        found |= command_lines(inner.typer_instance)
    return found


def count_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, *, is_command: bool) -> int:
    """Return a function's lines without its docstring; of a command those of the body only."""
    body = function.body
    docstring = ast.get_docstring(function, clean=False) is not None
    start = body[0].lineno if is_command else function.lineno
    assert function.end_lineno is not None and body[0].end_lineno is not None
    in_docstring = body[0].end_lineno - body[0].lineno + 1 if docstring else 0
    return function.end_lineno - start + 1 - in_docstring


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def f(a,\n      b):\n    '''Two\n    lines.'''\n    return a\n", 3),
        ("def f():\n    a = 1\n\n    return a\n", 4),
    ],
)
def test_lines_are_counted_without_the_docstring(source: str, lines: int) -> None:
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert count_lines(function, is_command=False) == lines


def test_no_folder_is_crowded() -> None:
    folders = {path.parent for path in MODULES} - {PACKAGE / "cli"}
    counts = {
        str(folder.relative_to(ROOT)): sum(path.parent == folder for path in MODULES)
        for folder in folders
    }
    assert not {folder: count for folder, count in counts.items() if count > MAX_MODULES}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_fit_a_screen(path: Path) -> None:
    commands = command_lines()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            lines = count_lines(node, is_command=(str(path), first) in commands)
            assert lines <= MAX_LINES, f"{node.name} has {lines} lines"


def test_there_are_commands_to_measure() -> None:
    assert len(command_lines()) > 25


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_is_an_import_and_a_call(path: Path) -> None:
    first, second = ast.parse(path.read_text("utf-8")).body
    assert isinstance(first, ast.ImportFrom) and first.module == "spinefrac.ui.app"
    assert isinstance(second, ast.Expr) and isinstance(second.value, ast.Call)


def test_every_module_has_a_test_file_of_its_name() -> None:
    missing = [
        str(path.relative_to(PACKAGE).with_suffix(""))
        for path in MODULES
        if not (ROOT / "tests" / path.parent.relative_to(PACKAGE) / f"test_{path.name}").is_file()
    ]
    assert not missing


def test_the_list_of_used_names_has_none_that_vulture_knows_to_be_used() -> None:
    vulture = pytest.importorskip("vulture", reason="`make test` installs vulture")
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["vulture"]
    used_names = ROOT / ".ci" / "used_names.py"
    search = vulture.Vulture(ignore_decorators=config["ignore_decorators"])
    search.scavenge([str(ROOT / path) for path in config["paths"] if ROOT / path != used_names])
    reported = {item.name for item in search.get_unused_code(min_confidence=60)}
    listed = re.findall(r"_\.(\w+)", used_names.read_text("utf-8"))
    assert listed and not set(listed) - reported
