"""Who may import what: serving stays light, and rooms depend downward only."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import spinefrac

#: Level of each room; a module imports from its own level or a lower one.
LEVELS = {
    "cli": 4,
    "api": 4,
    "report": 3,
    "charts": 3,
    "charts_augmentation": 3,
    "charts_metrics": 3,
    "viewer": 3,
    "training": 3,
    "serving": 3,
    "store": 3,
    "evaluation": 3,
    "audit": 3,
    "data": 2,
    "imaging": 1,
    "records": 0,
    "errors": 0,
    "settings": 0,
    "processes": 0,
}

FOLDER = Path(spinefrac.__file__).parent
MODULES = sorted(
    module.name for module in pkgutil.walk_packages([str(FOLDER)], prefix="spinefrac.")
)


def run(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_module_brings_tensorflow_or_streamlit():
    """All of them at once: training and store import Keras inside functions only."""
    modules = [name for name in MODULES if not name.endswith("__main__")]
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print({'tensorflow', 'keras', 'streamlit'} & set(sys.modules))\n"
    )
    assert run(code).strip() == "set()"


def test_predicting_imports_nothing_heavy():
    heavy = {"tensorflow", "keras", "streamlit", "pandas", "scipy", "sklearn", "plotly", "tf2onnx"}
    code = (
        "import sys\n"
        "from spinefrac import imaging\n"
        "from spinefrac.serving import predictor\n"
        f"print({heavy!r} & set(sys.modules))\n"
    )
    assert run(code).strip() == "set()"


def imported(path: Path) -> set[str]:
    """Return the rooms of spinefrac that a file imports, at its top or inside functions."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "spinefrac":
            rooms |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spinefrac."):
            rooms.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            parts = [alias.name.split(".") for alias in node.names]
            rooms |= {name[1] for name in parts if name[0] == "spinefrac" and len(name) > 1}
    return rooms & set(LEVELS)


@pytest.mark.parametrize("room", [room for room in LEVELS if room not in ("cli", "api")])
def test_rooms_depend_downward_only(room):
    files = [FOLDER / f"{room}.py"] if (FOLDER / f"{room}.py").exists() else []
    files += sorted((FOLDER / room).rglob("*.py"))
    for path in files:
        for other in imported(path):
            assert LEVELS[other] <= LEVELS[room], f"{path.name} imports {other}"
    if room in ("store", "serving", "evaluation"):
        assert not any("training" in imported(path) for path in files)


@pytest.mark.parametrize("package", ["tensorflow", "keras"])
def test_tensorflow_is_used_in_training_and_store_only(package):
    for path in FOLDER.rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").split(".")[0])
        if package in names:
            assert path.parent.name in ("training", "store"), path
