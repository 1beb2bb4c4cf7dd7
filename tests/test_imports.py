"""Who may import what: packages depend downward only, and predicting stays light.

The order of the packages is the contract in `pyproject.toml`, which `make lint` checks as well.
"""

import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import spinefrac
from docs.draw_architecture import imported_names, read_layers

#: The layer of each package, from 0 at the ground. A module imports from its own package or from a
#: lower layer; packages of one layer do not know each other.
LAYER = {name: layer for layer, names in enumerate(reversed(read_layers())) for name in names}

#: The only places that may import TensorFlow or Keras, inside functions. The worker is a child
#: process of its own, so that no server ever loads them.
KERAS_PACKAGES = ("training", "exchange")
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


def imported_packages(path: Path) -> set[str]:
    """Return the packages of spinefrac that a file imports."""
    parts = [name.split(".") for name in imported_names(path)]
    return {name[1] for name in parts if name[0] == "spinefrac" and len(name) > 1} & set(LAYER)


def test_no_module_brings_tensorflow_or_streamlit():
    """All of them at once but the pages: training and exchange import Keras inside functions."""
    with_pages = ("spinefrac.ui", "spinefrac.server")
    modules = [
        name
        for name in MODULES
        if not name.endswith("__main__") and not name.startswith(with_pages)
    ]
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


def test_the_routes_import_nothing_heavy():
    """What a server does not need at its start, it must not wait for."""
    heavy = {"tensorflow", "keras", "streamlit", "pandas", "scipy", "sklearn", "plotly", "dask"}
    code = (
        "import sys\n"
        "from spinefrac.api import application, lifespan\n"
        f"print({heavy!r} & set(sys.modules))\n"
    )
    assert run(code).strip() == "set()"


def test_every_package_has_a_layer():
    packages = {path.stem for path in FOLDER.glob("*.py")} | {
        folder.name for folder in FOLDER.iterdir() if (folder / "__init__.py").is_file()
    }
    assert packages - {"__init__", "__main__"} == set(LAYER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_packages_depend_downward_only(path):
    package = path.relative_to(FOLDER).parts[0]
    upward = [
        other
        for other in imported_packages(path)
        if other != package and LAYER[other] >= LAYER[package]
    ]
    assert not upward, f"{path.relative_to(FOLDER)} imports {upward}"


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
    users = {
        path.relative_to(FOLDER)
        for path in FOLDER.rglob("*.py")
        if package in {name.split(".")[0] for name in imported_names(path)}
    }
    elsewhere = {str(path) for path in users if path.parts[0] not in KERAS_PACKAGES}
    assert elsewhere == set(KERAS_WORKERS)
    assert {path.parts[0] for path in users} > set(KERAS_PACKAGES)


def test_streamlit_is_used_in_pages_only():
    users = {
        path.relative_to(FOLDER).parts[0]
        for path in FOLDER.rglob("*.py")
        if "streamlit" in {name.split(".")[0] for name in imported_names(path)}
    }
    assert users == {"ui", "server.py"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_private_names_of_libraries_are_not_used(path):
    """They change without notice. `os._exit` is public in spite of its name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr):
            assert ast.unparse(node.value) in ("self", "cls") or node.attr == "_exit", node.attr
    for name in imported_names(path):
        assert not re.match(r"keras\.src\.|tensorflow\.(python|compat)\.", name), name
