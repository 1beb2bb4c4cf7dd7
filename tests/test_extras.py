"""What an installation may lack; tests/test_packaging.py runs one without TensorFlow."""

import sys
import tomllib
from pathlib import Path

import pytest

from spinefrac import extras
from spinefrac.errors import MissingPackageError

ROOT = Path(__file__).resolve().parents[1]


def test_what_is_installed_is_not_missing():
    for extra in ("train", "cluster", "serve"):
        assert extras.explain_missing(extra) is None
        extras.require(extra)


def test_what_is_missing_is_said_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)  # as if it were not installed
    with pytest.raises(MissingPackageError, match=r"spinefrac\[serve\]"):
        extras.require("serve")


def test_the_extra_of_a_module():
    assert extras.find_extra("keras.src.layers") == "train"
    assert extras.find_extra("numpy") is None


def test_every_extra_is_one_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for extra, modules in extras._MODULES.items():
        wanted = " ".join(project["optional-dependencies"][extra])
        assert all(module.replace("_", "-") in wanted for module in modules)
