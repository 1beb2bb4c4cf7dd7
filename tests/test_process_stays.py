"""What a test does to the whole process is gone for the next one, see `process_stays`."""

import os
import signal
import socket
import urllib.request
from pathlib import Path


def test_the_process_is_changed(tmp_path: Path) -> None:
    os.environ["SPINEFRAC_CHANGED"] = "1"
    os.environ["https_proxy"] = "http://127.0.0.1:1"
    os.chdir(tmp_path)
    socket.setdefaulttimeout(3)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    urllib.request.install_opener(urllib.request.build_opener())


def test_it_is_as_it_was() -> None:
    assert not {"SPINEFRAC_CHANGED", "https_proxy"} & os.environ.keys()
    assert "test_the_process_is_changed" not in str(Path.cwd())
    assert socket.getdefaulttimeout() is None
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN
    assert urllib.request._opener is None
