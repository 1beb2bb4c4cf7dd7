"""Fixtures that every room's tests share."""

import gc
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SHARED_DATA = Path(__file__).resolve().parents[1] / "../shared/data"

#: Files whose tests take longest, the longest first. One worker tests a whole file, so one of these
#: that began last would be waited for while the other workers have nothing to do.
LONGEST = (
    "training/runner/test_faults.py",
    "browser/test_train_browser.py",
    "cli/test_cli.py",
    "training/runner/test_cross_validation.py",
    "training/runner/test_dask_cluster.py",
    "exchange/test_export.py",
    "browser/test_app_browser.py",
    "training/test_keras_api.py",
    "ui/test_roles.py",
    "training/test_finetuning.py",
    "test_names_stay.py",
    "audit/test_run.py",
    "evaluation/test_dataset_shift.py",
    "exchange/test_ensemble.py",
    "browser/test_predict_browser.py",
    "browser/test_models_browser.py",
)

# What tests answer is no history of this checkout, nor is what the servers answer that they
# start; the tests of the history turn it on again, in homes of their own.
os.environ["SPINEFRAC_HISTORY"] = "off"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage among what is imported and collected: it stays, and it is much."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; the others keep their order."""
    here = Path(__file__).parent
    place = {here / name: number for number, name in enumerate(LONGEST)}
    missing = [str(path) for path in place if not path.is_file()]
    assert not missing, f"LONGEST names files that are not there: {missing}"
    items.sort(key=lambda item: place.get(item.path, len(place)))


#: So many modules imported since the last time are worth another look by `pytest_runtest_setup`.
MANY_MODULES = 300
_modules_at_rest = 0


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup() -> None:
    """Take what was imported out of the garbage collection, whose full passes would go through it.

    TensorFlow alone has 400,000 objects: with them each page of the app takes twice as long.
    """
    global _modules_at_rest
    if len(sys.modules) > _modules_at_rest + MANY_MODULES:
        gc.collect()
        gc.freeze()
        _modules_at_rest = len(sys.modules)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real CT files beside the checkout; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real CT files are not here: ../shared/data is absent")
    return SHARED_DATA.resolve()


@pytest.fixture(autouse=True)
def main_module_stays() -> Iterator[None]:
    """Put the main module back: AppTest makes its page the main one, which spawned processes of
    later tests would then run."""
    kept = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = kept


#: Beginnings of the environment variables that change what later tests do.
_WATCHED_ENVIRONMENT = ("SPINEFRAC_", "STREAMLIT_", "PYTHONPATH", "HOME", "PATH", "TMPDIR")


def _read_environment() -> dict[str, str]:
    """Return the watched variables, those of proxies among them."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_WATCHED_ENVIRONMENT) or name.lower().endswith("_proxy")
    }


@pytest.fixture(autouse=True)
def process_stays() -> Iterator[None]:
    """Put back what belongs to the whole process, and so to every test after this one."""
    environment, folder, timeout = _read_environment(), Path.cwd(), socket.getdefaulttimeout()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name in _read_environment().keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)
    os.chdir(folder)
    socket.setdefaulttimeout(timeout)
    for number, handler in handlers.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)
    urllib.request.install_opener(None)  # it keeps the proxies that it found at its first request


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module that makes a small real model; it imports TensorFlow when it is first used."""
    from tests.support import tiny_model

    return tiny_model


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory):
    """A saved model of a few kilobytes that needs no TensorFlow, imported from ONNX."""
    from spinefrac.exchange import import_model
    from tests.support.onnx_network import onnx_network

    folder = tmp_path_factory.mktemp("small")
    (folder / "small.onnx").write_bytes(onnx_network().SerializeToString())
    given = import_model.DeclaredIO(scale="0..1", positive_class=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(folder / "home"))
        return import_model.import_file(folder / "small.onnx", user_io=given)


@pytest.fixture
def deadly_decoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have files decoded by `tests.support.dying_decoder`, for one second at most."""
    from spinefrac.imaging import decoder_pool
    from spinefrac.system.resource_limits import ResourceLimits
    from spinefrac.system.worker_pool import WorkerPool
    from tests.support import dying_decoder

    pool = WorkerPool(
        dying_decoder.__name__,
        ResourceLimits(memory_mib=1024, cpu_s=5, wall_s=1),
        decoder_pool.describe_failure,
        workers=3,
        idle_workers=2,
        max_calls=100,
    )
    monkeypatch.setattr(decoder_pool, "get_pool", lambda: pool)
    monkeypatch.setattr(decoder_pool, "_failed", {})
    yield
    pool.close()


def _left_in(models: Path) -> list[str]:
    """Return the names in a models folder, hidden ones too, but not that of the lock."""
    return sorted(path.name for path in models.iterdir() if path.name != ".lock")


@pytest.fixture(scope="session")
def left_in():
    """Look into a models folder for what should not be left there."""
    return _left_in
