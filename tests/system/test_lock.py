"""One process at a time changes the models; a thread may enter again, a killed one lets go."""

import subprocess
import sys
import threading

import pytest

from spinefrac.errors import ModelError
from spinefrac.system.lock import LOCK_FILE, models_lock

HOLD = (
    "import sys\nfrom spinefrac.system import lock\n"
    "with lock.models_lock():\n    print('held', flush=True)\n    sys.stdin.read()\n"
)


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path / "models"


def test_the_folder_is_made_and_the_lock_can_be_taken_again(models):
    for _ in range(2):
        with models_lock():
            assert (models / LOCK_FILE).is_file()
    assert [path.name for path in models.iterdir()] == [LOCK_FILE]


def test_a_thread_that_holds_it_continues_and_another_waits():
    errors = []

    def other():
        try:
            with models_lock(timeout_s=0.1):
                errors.append(None)
        except ModelError as error:
            errors.append(str(error))

    with models_lock(), models_lock(timeout_s=0.1):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert errors[0] and "try again" in errors[0]
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert errors[1] is None


def test_it_is_free_again_after_an_error():
    with pytest.raises(RuntimeError), models_lock():
        raise RuntimeError
    with models_lock(timeout_s=0.1):
        pass


def test_a_killed_process_holds_it_no_longer():
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ModelError, match="Another process"), models_lock(timeout_s=0.2):
            pass
        holder.kill()
    with models_lock(timeout_s=5.0):
        pass
