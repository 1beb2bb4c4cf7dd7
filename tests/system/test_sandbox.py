"""A child process with limits: what it gets, and how its errors come back."""

import sys

import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange.io_spec import UnresolvedIOError
from spinefrac.system import sandbox


def test_the_child_gets_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    found = sandbox._build_environment(tmp_path)
    assert "AWS_SECRET_ACCESS_KEY" not in found and found["HOME"] == str(tmp_path)


def test_an_error_with_attributes_comes_back_as_it_was():
    error = UnresolvedIOError({"size": 32, "scale": None}, ["scale"])
    message = {"error": str(error), "kind": type(error).__name__, **vars(error)}
    rebuilt = sandbox.rebuild_error(message)
    assert isinstance(rebuilt, UnresolvedIOError) and str(rebuilt) == str(error)
    assert (rebuilt.found, rebuilt.missing) == (error.found, ["scale"])


def test_an_unknown_error_comes_back_as_a_model_error():
    rebuilt = sandbox.rebuild_error({"error": "a sentence", "kind": "SomethingElse"})
    assert type(rebuilt) is ModelError and str(rebuilt) == "a sentence"


def run_program(tmp_path, monkeypatch, program, **limits):
    """Run a program's function ``handle`` in a child."""
    (tmp_path / "child_program.py").write_text(
        f"{program}\nif __name__ == '__main__':\n"
        "    from spinefrac.system import sandbox\n    sandbox.serve_task(handle)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return sandbox.run("child_program", {"n": 3}, tmp_path, sandbox.ResourceLimits(**limits))


def test_a_result_comes_back_whatever_is_printed(tmp_path, monkeypatch):
    program = "def handle(task):\n    print('noise')\n    return [task['n'], 'ü']"
    assert run_program(tmp_path, monkeypatch, program) == [3, "ü"]


@pytest.mark.parametrize(
    ("program", "wall_s", "message"),
    [
        ("def handle(task):\n    raise ValueError('odd')", 300, r"ValueError: odd"),
        ("import os\ndef handle(task):\n    os._exit(3)", 300, r"crashed the program .*status 3"),
        ("import time\ndef handle(task):\n    time.sleep(600)", 1, "not be processed within 1 s"),
        ("def handle(task):\n    raise MemoryError", 300, "more than the 6144 MiB of memory"),
    ],
)
def test_what_goes_wrong_is_one_sentence(tmp_path, monkeypatch, program, wall_s, message):
    with pytest.raises(ModelError, match=message) as found:
        run_program(tmp_path, monkeypatch, program, wall_s=wall_s)
    assert "\n" not in str(found.value) and str(tmp_path) not in str(found.value)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits the memory")
def test_memory_over_the_limit_ends_the_child(tmp_path, monkeypatch):
    program = "def handle(task):\n    return len(bytearray(1 << 30))"
    with pytest.raises(ModelError, match="more than the 256 MiB of memory"):
        run_program(tmp_path, monkeypatch, program, memory_mib=256)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows enforces no such limit")
def test_processor_time_over_the_limit_ends_the_child(tmp_path, monkeypatch):
    program = "def handle(task):\n    while True: pass"
    with pytest.raises(ModelError, match="more than 1 s of processor time"):
        run_program(tmp_path, monkeypatch, program, cpu_s=1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows enforces no such limit")
def test_files_stay_below_the_limit(tmp_path, monkeypatch):
    program = (
        "import os\ndef handle(task):\n"
        "    open(os.environ['HOME'] + '/big', 'wb').write(b'x' * (3 << 20))"
    )
    with pytest.raises(ModelError, match="expected"):
        run_program(tmp_path, monkeypatch, program, file_mib=1)
    assert (tmp_path / "big").stat().st_size <= 1 << 20


def test_a_response_without_end_is_not_read(tmp_path, monkeypatch):
    program = "def handle(task):\n    return 'x' * 5_000_000"
    with pytest.raises(ModelError, match="crashed"):
        run_program(tmp_path, monkeypatch, program)


def test_the_child_sees_none_of_the_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    program = "import os\ndef handle(task):\n    return sorted(os.environ)"
    found = run_program(tmp_path, monkeypatch, program)
    assert "HOME" in found and not [name for name in found if name.startswith("SPINEFRAC")]
