"""Fixtures that every room's tests share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[1] / "../shared/data"

# What tests answer is no history of this checkout, nor is what the servers answer that they
# start; the tests of the history turn it on again, in homes of their own.
os.environ["SPINEFRAC_HISTORY"] = "off"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real CT files beside the checkout; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real CT files are not here: ../shared/data is absent")
    return SHARED_DATA.resolve()


@pytest.fixture(autouse=True)
def main_module_stays() -> Iterator[None]:
    """Put the main module back: AppTest makes its page the main one, which spawned processes of
    later tests would then run."""
    kept = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = kept
