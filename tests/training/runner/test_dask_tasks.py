"""A workspace is sent to another machine in pieces, and used only when it is whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinefrac import settings as places
from spinefrac.training.runner import dask_tasks
from spinefrac.training.runner.dask_tasks import WorkspaceLocation
from spinefrac.training.workspace import DATA_FILES, RunWorkspace, read_digest


@pytest.fixture
def location(plan) -> WorkspaceLocation:
    """A workspace of the runner, under a path that this machine does not have."""
    plan.write()
    return WorkspaceLocation("/elsewhere/run", read_digest(plan.folder) or "")


def send(location: WorkspaceLocation, source: Path, size: int = 1000) -> None:
    for name in DATA_FILES:
        content = (source / name).read_bytes()
        for start in range(0, len(content), size):
            is_last = start + size >= len(content)
            part = content[start : start + size]
            dask_tasks.receive_chunk(location, name, part, start, is_last)


def test_a_shared_folder_is_used_where_it_is(plan, location) -> None:
    shared = replace(location, folder=str(plan.folder))
    assert shared.is_shared() and shared.local_dir() == plan.folder
    assert not location.is_shared()
    assert location.local_dir().parent == places.runs_dir() / "received"


def test_what_arrived_whole_is_the_same_workspace(plan, location) -> None:
    assert not dask_tasks.inspect_worker(location, 0).has_workspace
    send(location, plan.folder)
    assert dask_tasks.verify_workspace(location)
    assert dask_tasks.inspect_worker(location, 0).has_workspace
    assert np.array_equal(RunWorkspace.read(location.local_dir()).inputs, plan.inputs)
    dask_tasks.leave_workspace(location)
    assert not location.local_dir().exists()


def test_what_arrived_damaged_is_removed(plan, location) -> None:
    send(location, plan.folder)
    (location.local_dir() / "inputs.npy").write_bytes(b"damaged")
    assert not dask_tasks.verify_workspace(location)
    assert not location.local_dir().exists()


def test_a_name_that_leads_out_of_the_folder_does_not(location, tmp_path) -> None:
    dask_tasks.receive_chunk(location, "../../out.bin", b"x", 0, True)
    assert (location.local_dir() / "out.bin").read_bytes() == b"x"
    assert dask_tasks.read_file(location, "../../out.bin") == b"x"
    assert dask_tasks.read_file(location, "nothing") is None
