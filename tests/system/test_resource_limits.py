"""Limits of a process are set once, those of a call each time; `test_worker_pool` exceeds them."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, time
from spinefrac.system import resource_limits
limits = resource_limits.ResourceLimits(memory_mib=3000, file_mib=1, cpu_s=7, wall_s=9)
resource_limits.limit_process(limits)
before = resource.getrlimit(resource.RLIMIT_CPU)
with resource_limits.limit_time(limits):
    inside = resource.getrlimit(resource.RLIMIT_CPU)[0]
assert inside == int(time.process_time()) + 7, inside
assert resource.getrlimit(resource.RLIMIT_CPU)[1] == before[1]
assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == 1 << 20
assert resource.getrlimit(resource.RLIMIT_DATA)[0] == 3000 << 20
assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows enforces no such limits")
def test_the_system_holds_the_limits():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
