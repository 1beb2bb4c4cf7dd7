"""The process of a fold: what it loads, and that it ends with the process that started it."""

import subprocess
import sys

import pytest

CODE = """
import time
from spinefrac.training.runner.worker import _read_folds
_read_folds()
print("waits", flush=True)
time.sleep(600)
"""


def test_it_ends_when_its_input_is_closed() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None and child.stdout is not None
    assert child.stdout.readline() == "waits\n"
    assert child.poll() is None
    child.stdin.close()
    assert child.wait(timeout=60) == 1


@pytest.mark.slow
def test_it_loads_keras_without_what_no_fold_needs() -> None:
    code = (
        "import sys\n"
        "from spinefrac.training.runner.worker import limit_threads\n"
        "limit_threads(1)\n"
        "print(*({'keras', 'pandas', 'sklearn'} & {*sys.modules}))\n"
        "import pandas, sklearn\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["keras"]
