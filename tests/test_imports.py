"""Who may import what: rooms depend downward only, and serving stays light."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import spinefrac

#: The rooms from the ground up. A module imports from its own room or from a lower level; rooms
#: on one level do not know each other.
LEVELS = (
    {"errors", "records", "settings", "wording"},
    {"system"},
    {"imaging", "evaluation"},
    {"data"},
    {"store", "viz"},
    {"inference", "audit"},
    {"exchange", "report"},
    {"training"},
    {"cli", "ui", "api"},
)
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

#: The only places that may import TensorFlow or Keras, inside functions. The worker is a child
#: process of its own, so that no server ever loads them.
KERAS_ROOMS = ("training", "exchange")
KERAS_WORKERS = ("inference/gradcam_worker.py",)

FOLDER = Path(spinefrac.__file__).parent
FILES = sorted(path for path in FOLDER.rglob("*.py") if path.parent != FOLDER)
MODULES = sorted(
    module.name for module in pkgutil.walk_packages([str(FOLDER)], prefix="spinefrac.")
)


def run(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def room_of(path: Path) -> str:
    """Return the room in which a file lies: the first folder, or its own name on the ground."""
    parts = path.relative_to(FOLDER).parts
    return parts[0] if len(parts) > 1 else path.stem


def imported_modules(path: Path) -> set[str]:
    """Return the full names that a file imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def imported_rooms(path: Path) -> set[str]:
    """Return the rooms of spinefrac that a file imports."""
    parts = [name.split(".") for name in imported_modules(path)]
    return {name[1] for name in parts if name[0] == "spinefrac" and len(name) > 1} & set(LEVEL)


def test_no_module_brings_tensorflow_or_streamlit():
    """All of them at once but the pages: training and exchange import Keras inside functions."""
    modules = [name for name in MODULES if not name.endswith("__main__") and ".ui" not in name]
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print({'tensorflow', 'keras', 'streamlit'} & set(sys.modules))\n"
    )
    assert run(code).strip() == "set()"


def test_no_page_brings_tensorflow():
    modules = [name for name in MODULES if ".ui" in name and ".samples" not in name]
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print({'tensorflow', 'keras'} & set(sys.modules))\n"
    )
    assert run(code).strip() == "set()"


def test_predicting_imports_nothing_heavy():
    heavy = {
        "tensorflow",
        "keras",
        "streamlit",
        "pandas",
        "scipy",
        "sklearn",
        "plotly",
        "tf2onnx",
        "pydantic",
    }
    code = (
        "import sys\n"
        "from spinefrac import imaging\n"
        "from spinefrac.inference import predictor\n"
        f"print({heavy!r} & set(sys.modules))\n"
    )
    assert run(code).strip() == "set()"


def test_every_room_has_a_level():
    rooms = {path.stem for path in FOLDER.glob("*.py")} | {
        folder.name for folder in FOLDER.iterdir() if (folder / "__init__.py").is_file()
    }
    assert rooms - {"__init__", "__main__"} <= set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_rooms_depend_downward_only(path):
    room = room_of(path)
    upward = [
        other
        for other in imported_rooms(path)
        if other != room and LEVEL[other] >= LEVEL[room] and LEVEL[room] > 0
    ]
    assert not upward, f"{path.relative_to(FOLDER)} in {room} imports {upward}"


def test_no_two_modules_import_each_other_at_their_top():
    """A cycle at import time works or fails by which module comes first."""
    known = set(MODULES)
    arrows: dict[str, set[str]] = {}
    for path in FOLDER.rglob("*.py"):
        name = "spinefrac." + ".".join(path.relative_to(FOLDER).with_suffix("").parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        targets = set()
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    targets.add(full if full in known else node.module or "")
            elif isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
        arrows[name] = {target for target in targets if target in known}

    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for target in sorted(arrows.get(name, ())):
                visit(target, (*path, name))
            done.add(name)

    for name in sorted(arrows):
        visit(name, ())


@pytest.mark.parametrize("package", ["tensorflow", "keras"])
def test_tensorflow_is_used_in_training_and_exchange_only(package):
    for path in FOLDER.rglob("*.py"):
        if package in {name.split(".")[0] for name in imported_modules(path)}:
            inside = path.relative_to(FOLDER)
            assert inside.parts[0] in KERAS_ROOMS or str(inside) in KERAS_WORKERS, inside


def test_streamlit_is_used_in_pages_only():
    for path in FOLDER.rglob("*.py"):
        if "streamlit" in {name.split(".")[0] for name in imported_modules(path)}:
            assert path.relative_to(FOLDER).parts[0] == "ui", path
