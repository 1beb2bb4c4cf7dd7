"""One task in a process of its own; `test_worker_pool` has what can go wrong there."""

import pytest

from spinefrac.errors import ModelError
from spinefrac.system import sandbox
from spinefrac.system.resource_limits import ResourceLimits
from tests.support import worker_functions as functions


def test_a_task_comes_back_and_its_process_is_gone(tmp_path):
    found = sandbox.run(functions.echo, {"n": 3, "data": b"\x00"}, tmp_path)
    assert found["task"] == {"n": 3, "data": b"\x00"} and found["home"] == str(tmp_path)
    assert found["process"] != sandbox.run(functions.echo, {}, tmp_path)["process"]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"raise": "odd"}, r"cannot be read as a network \(ValueError: odd\)"),
        ({"leave": 3}, r"could not be processed safely: it ended the process .*status 3"),
        ({"sleep": 600}, "took more than 2 s"),
    ],
)
def test_what_goes_wrong_is_one_sentence(tmp_path, task, message):
    with pytest.raises(ModelError, match=message) as found:
        sandbox.run(functions.echo, task, tmp_path, ResourceLimits(wall_s=2))
    assert "\n" not in str(found.value) and str(tmp_path) not in str(found.value)
