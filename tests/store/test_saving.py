"""A model's folder appears whole or not at all, whatever happens to the process that writes it."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spinefrac.store import repository, saving
from tests.support.killing import left_in, run_and_kill

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX processes and locks")


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


@posix_only
def test_killed_at_any_moment_no_half_model_is_listed(own_home, saved_model):
    saver, seconds = Path(__file__).parents[1] / "support/slow_saver.py", 0.5
    moments = [random.Random(4).uniform(0, seconds) for _ in range(13)]
    complete = []
    for index, moment in enumerate([*moments, None]):
        run_and_kill(saver, saved_model.path, f"killed-{index}", seconds, after=moment)
        leftovers = [
            name for name in left_in(own_home) if name.startswith(saving.UNFINISHED_PREFIX)
        ]
        assert len(leftovers) <= 1, "the next save removes what a killed one left"
        for model in repository.list_models():
            assert isinstance(model, repository.SavedModel), model
        complete.append((own_home / "models" / f"killed-{index}").exists())
    assert complete[-1] and complete.count(False) > 8
    saving.remove_unfinished()
    assert not [name for name in left_in(own_home) if name.startswith(".")]


@posix_only
def test_what_a_living_process_writes_is_not_removed(own_home, saved_model):
    saver = Path(__file__).parents[1] / "support/slow_saver.py"
    with subprocess.Popen(
        [sys.executable, saver, saved_model.path, "alive", "1.5"], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout.readline() == b"ready\n"
        while not list(own_home.glob(f"models/{saving.UNFINISHED_PREFIX}*")):
            assert child.poll() is None
            time.sleep(0.01)
        assert saving.remove_unfinished() == []
        assert repository.list_models() == []
    assert child.returncode == 0
    assert repository.load("alive").card.id == "alive"


@posix_only
def test_of_two_that_save_under_one_name_one_wins(own_home, saved_model):
    saver = Path(__file__).parents[1] / "support/slow_saver.py"
    command = [sys.executable, saver, saved_model.path, "wanted", "0.3"]
    children = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [child.communicate()[1] for child in children]
    assert sorted(child.returncode for child in children) == [0, 1]
    assert "in use" in "".join(errors)
    assert left_in(own_home) == ["wanted"]
    assert repository.load("wanted")
