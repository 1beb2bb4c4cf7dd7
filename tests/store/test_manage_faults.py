"""Saved models while processes are killed and while several change them at once.

``SPINEFRAC_FAULTS=40`` kills 40 times in each action; a few times otherwise.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spinefrac.store import manage, repository, saving, trash
from spinefrac.store.repository import SavedModel

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX processes and locks")

KILLS = int(os.environ.get("SPINEFRAC_FAULTS", "6"))


class Churn:
    """A process of churn.py, which forks one for each action."""

    def __init__(self, source: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parents[1] / "support/churn.py"), str(source)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "ready"

    def line(self) -> str:
        return self.process.stdout.readline().strip()

    def start(self, action: str, seconds: float) -> int:
        self.process.stdin.write(f"{action} {seconds}\n")
        self.process.stdin.flush()
        return int(self.line())

    def kill(self, action: str, after: float) -> None:
        child = self.start(action, 600)
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
        assert self.line() == "ended"

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=60)


@pytest.fixture
def models(saved_model, tmp_path, monkeypatch) -> Path:
    """A home of its own with no model; returns the models' folder."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def churn(models, saved_model) -> Iterator[Churn]:
    churn = Churn(saved_model.path)
    yield churn
    churn.close()


def whole() -> list[SavedModel]:
    """The listed models, which are whole to the last byte."""
    found = repository.list_models()
    assert all(isinstance(model, SavedModel) for model in found), found
    return found


def moments(seed: int, longest: float) -> list[float]:
    draw = random.Random(seed)
    return [draw.uniform(0, longest) for _ in range(KILLS)]


@pytest.mark.parametrize("action", ["rename", "delete", "annotate"])
def test_killed_at_any_moment_the_model_is_there_once_and_whole(action, models, churn, saved_model):
    shutil.copytree(saved_model.path, models / "tiny")
    manage.set_default("tiny")
    for moment in moments(1, 0.15):
        churn.kill(action, moment)
        listed, deleted = whole(), trash.list_restorable()
        assert len(listed) + len(deleted) == 1, (listed, deleted)
        if deleted:
            manage.restore(deleted[0].id)
        [model] = whole()
        assert model.card_hash == saved_model.card_hash
        assert repository.get_default_id() == model.id
    assert manage.rename(model.id, "at-last").id == "at-last"
    left = {path.name for path in models.rglob("*")} - set(model.card.files)
    # Deleting the default model unmarks it.
    assert left - {"default.txt"} == {".lock", "at-last", "card.json", "slip.json"}


@pytest.mark.parametrize("action", ["save", "duplicate", "free"])
def test_killed_at_any_moment_there_are_only_whole_models(action, models, churn, saved_model):
    shutil.copytree(saved_model.path, models / "kept")
    for moment in moments(2, 0.15):
        churn.kill(action, moment)
        assert "kept" in [model.id for model in whole()]
        for entry in trash.list_restorable():
            manage.restore(entry.id)
        for model in whole():
            if model.id != "kept":
                manage.purge([manage.delete(model.id)])
        unfinished = [
            path for path in models.iterdir() if path.name.startswith(saving.UNFINISHED_PREFIX)
        ]
        assert len(unfinished) <= 1, "the next save removes what a killed one left"
    manage.purge_expired()
    saving.remove_unfinished()
    with_files = {path.name for path in models.iterdir() if path.is_file() or any(path.iterdir())}
    assert with_files == {".lock", "kept"}


def test_sessions_that_rename_delete_and_predict_at_once(models, churn, saved_model):
    """Each succeeds, or gets one of the sentences that say what happened meanwhile."""
    shutil.copytree(saved_model.path, models / "tiny")
    others = [Churn(saved_model.path) for _ in range(3)]
    everybody = dict(
        zip(("rename", "delete", "annotate", "predict"), [churn, *others], strict=True)
    )
    for action, process in everybody.items():
        process.start(action, 2.0)
    for action, process in everybody.items():
        said = json.loads(process.line())
        assert process.line() == "ended"
        allowed = {"done", "nothing there", "was deleted", "is now named", "no saved model"}
        assert set(said) <= allowed | {"in use", "can be restored", "try again"}, said
        assert said["done"] >= 4, (action, said)
    for other in others:
        other.close()
    listed, deleted = whole(), trash.list_restorable()
    assert len(listed) + len(deleted) == 1
    if deleted:
        manage.restore(deleted[0].id)
    [model] = whole()
    assert model.card_hash == saved_model.card_hash
