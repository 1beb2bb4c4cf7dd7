"""The process of a fold ends when the process that started it ends."""

import subprocess
import sys

CODE = """
import time
from spinefrac.training.runner.worker import _exit_with_parent
_exit_with_parent()
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
