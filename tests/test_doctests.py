"""The examples in docstrings give what they say."""

import doctest
import importlib

import pytest

from docs.draw_architecture import PACKAGE

#: An example that trains on a folder; `tests/training/test_keras_api.py` does what it shows.
LONG = "spinefrac.training.keras_api"
MODULES = sorted(
    {
        ".".join(("spinefrac", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in PACKAGE.rglob("*.py")
        if ">>> " in path.read_text("utf-8")
    }
    - {LONG}
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted and not done.failed


def test_the_packages_that_people_call_have_examples() -> None:
    packages = {name.split(".")[1] for name in MODULES}
    assert {"evaluation", "imaging", "data", "store"} <= packages
