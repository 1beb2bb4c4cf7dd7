"""A run without a name gets the first free one like its folder's."""

from dataclasses import replace

import pytest

from spinefrac import settings as places
from spinefrac.errors import ModelError
from spinefrac.training import runs
from spinefrac.training.runner.run_names import propose_name, submit_with_free_name
from tests.support.runs import submit


@pytest.fixture(autouse=True)
def no_runner(monkeypatch) -> None:
    """These runs are only queued."""
    monkeypatch.setattr("spinefrac.training.runs.lease.ensure_runner", lambda: False)


def test_names_of_models_and_of_open_runs_are_taken(folder, quick) -> None:
    assert propose_name("My Slices") == "my-slices"
    (places.models_dir() / "my-slices").mkdir(parents=True)
    submit(folder, quick, "my-slices-2")
    assert propose_name("My Slices") == "my-slices-3"


def test_an_empty_name_becomes_a_free_one_and_a_given_one_stays(folder, quick) -> None:
    request = runs.RunRequest(folder, " ", quick)
    assert submit_with_free_name(request).name == "slices"
    assert submit_with_free_name(request).name == "slices-2"
    assert submit_with_free_name(replace(request, name=" mine ")).name == "mine"
    with pytest.raises(ModelError, match="lower-case"):
        submit_with_free_name(replace(request, name="No Name"))
