"""Bytes in shared memory, seen from this process and another one."""

import gc
import subprocess
import sys

import pytest

from spinefrac.errors import BudgetError
from spinefrac.system.shared_block import SharedBlock, map_block


def test_another_process_reads_a_block_and_does_not_remove_it():
    block = SharedBlock.from_bytes(b"slice")
    program = (
        "from spinefrac.system.shared_block import map_block\n"
        f"with map_block({block.name!r}, 5) as view: print(bytes(view).decode(), end='')"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("slice", "")
    block.release()


def test_a_block_is_gone_when_it_is_released_or_collected():
    names = []
    for collect in (True, False):
        block = SharedBlock(100)
        names.append(block.name)
        if collect:
            del block
            gc.collect()
        else:
            block.release()
            block.release()
    for name in names:
        with pytest.raises(FileNotFoundError), map_block(name, 100):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="Linux sets shared memory aside")
def test_more_than_the_machine_has_is_an_error_and_no_crash():
    with pytest.raises(BudgetError, match="shared memory"):
        SharedBlock(1 << 50)
