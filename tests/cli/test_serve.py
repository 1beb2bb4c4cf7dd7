"""`spinefrac serve` as people run it: pages and REST in one process, until it is told to stop."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spinefrac.cli import main, serve
from tests.support.rest import Client

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with the model that ships."""
    if not (ROOT / "models" / "phantom-demo").is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "models" / "phantom-demo", folder / "models" / "phantom-demo")
    return folder


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The command in a process of its own, its log in a file; in another folder than the code."""

    def __init__(
        self, home, *options, command=("-m", "spinefrac", "serve"), port_option="--port",
        **environment,
    ):  # fmt: skip
        self.port = free_port()
        self.log_path = home / f"log-{self.port}.txt"
        scheme = "https" if "--tls-cert" in options else "http"
        self.client = Client(f"{scheme}://127.0.0.1:{self.port}")
        inherited = {**os.environ, "SPINEFRAC_HOME": str(home), "PYTHONPATH": str(ROOT)}
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command, port_option, str(self.port), *options],
                cwd=home, env={**inherited, **environment}, stderr=log, stdout=log,
            )  # fmt: skip

    @property
    def log(self):
        return self.log_path.read_text()

    def wait(self, path="/api/v1/health/ready"):
        """Wait until it takes work."""
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.client.get(path).status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.1)
        pytest.fail(f"the server did not start:\n{self.log}")

    def stop(self, sign=signal.SIGTERM):
        """Tell it to stop; return the seconds until it has."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return time.monotonic() - started


@pytest.fixture(scope="module")
def server(home):
    """A server with lines of JSON as its log."""
    found = Server(home, "--log-format", "json")
    try:
        yield found.wait()
    finally:
        found.stop()


def test_pages_and_rest_answer_on_one_port(server):
    page = server.client.get("/")
    assert page.status == 200 and "text/html" in page.headers["Content-Type"]
    assert "frame-ancestors" in page.headers["Content-Security-Policy"]
    assert server.client.get("/_stcore/health").status == 200
    models = server.client.get("/api/v1/models")
    assert models.status == 200, models.text + server.log
    assert models.json()[0]["id"] == "phantom-demo"
    content = (ROOT / "spinefrac/ui/samples/fracture-1.dcm").read_bytes()
    answer = server.client.post_files("/api/v1/predict", [("files", "Doe^Jane.dcm", content)])
    assert answer.json()[0]["label"] == "fracture"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_app_starts_it():
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "app", "PORT=8502"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip().endswith("-m spinefrac serve --port 8502")


def test_its_log_is_lines_of_json_without_names(server):
    server.client.get("/api/v1/models/Doe-Jane")
    lines = [json.loads(line) for line in server.log.splitlines()[1:]]
    assert {"spinefrac.server", "spinefrac.requests", "uvicorn.error"} <= {
        line["logger"] for line in lines
    }
    assert "Doe" not in server.log and "Traceback" not in server.log


def test_other_names_and_origins_are_refused_before_streamlit_sees_them(server):
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        for path in ("/", "/_stcore/health", "/_stcore/stream", "/api/v1/health/live"):
            assert server.client.get(path, headers).status == 403
    assert "Rejecting WebSocket" not in server.log


def test_it_has_one_port(server):
    psutil = pytest.importorskip("psutil")
    process = psutil.Process(server.process.pid)
    listening = {
        connection.laddr.port
        for one in (process, *process.children(recursive=True))
        for connection in one.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {server.port}


def test_tensorflow_is_not_loaded(server):
    maps = Path(f"/proc/{server.process.pid}/maps")
    if not maps.exists():
        pytest.skip("this system has no /proc")
    assert "tensorflow" not in maps.read_text()


def test_a_port_that_is_taken_is_an_error_of_one_line(server, capsys):
    assert main(["serve", "--port", str(server.port)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "choose another --port" in error


def test_a_certificate_needs_its_key(capsys):
    assert main(["serve", "--tls-cert", "cert.pem"]) == 2
    assert "give both or neither" in capsys.readouterr().err


def test_the_module_works_under_uvicorn_too_and_stops_within_five_seconds(home):
    server = Server(home, "--app-dir", str(ROOT), command=("-m", "uvicorn", "server:app"))
    try:
        assert server.wait().client.get("/_stcore/health").status == 200
    finally:
        assert server.stop() < 5, server.log


def test_it_stops_within_five_seconds_while_somebody_watches(home):
    server = Server(home)
    watching = None
    try:
        server.wait()
        watching = socket.create_connection(("127.0.0.1", server.port))
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        watching.sendall(
            (
                f"GET /_stcore/stream HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )
        assert watching.recv(100).startswith(b"HTTP/1.1 101")
    finally:
        seconds = server.stop()
        if watching:
            watching.close()
    assert seconds < 5 and server.process.returncode == 0, server.log
    assert "Traceback" not in server.log


@pytest.mark.slow
def test_what_was_acknowledged_outlives_a_server_that_is_killed(tmp_path):
    """A data set and a run that were answered with 201 are there after SIGKILL."""
    from spinefrac.data import phantom

    shutil.copytree(ROOT / "models" / "phantom-demo", tmp_path / "models" / "phantom-demo")
    phantom.write_phantom(tmp_path / "slices", patients=6, slices=2, seed=1)
    archive = Path(shutil.make_archive(str(tmp_path / "slices"), "zip", tmp_path / "slices"))
    files = [("files", "slices.zip", archive.read_bytes())]
    kept, names = [], []
    for number in range(3):
        server = Server(tmp_path)
        try:
            client = server.wait().client
            assert {one["id"] for one in client.get("/api/v1/datasets").json()} == set(kept)
            assert {one["name"] for one in client.get("/api/v1/runs").json()} == set(names)
            added = client.post_files("/api/v1/datasets", files, name=f"set {number}")
            assert added.status == 201, added.text
            kept.append(added.json()["id"])
            body = {"dataset": added.json()["id"], "name": f"run-{number}"}
            run = client.post_json("/api/v1/runs", body | {"settings": {"folds": 2}})
            assert run.status == 201, run.text
            names.append(f"run-{number}")
            cancelled = client.post_json(f"/api/v1/runs/run-{number}/cancel")
            assert cancelled.status == 200, cancelled.text
        finally:
            server.stop(signal.SIGKILL)


def test_a_small_message_does_not_wait_for_the_receipt_of_the_one_before():
    with (
        serve._listen("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_on_any_other_address_nobody_may_do_anything_without_signing_in(home):
    server = Server(home, "--host", "0.0.0.0")
    try:
        server.wait()
        for path in ("/api/v1/models", "/api/v1/metrics"):
            assert server.client.get(path).status == 401
        content = (ROOT / "spinefrac/ui/samples/fracture-1.dcm").read_bytes()
        assert server.client.post_files("/api/v1/predict", [("files", "a", content)]).status == 401
        assert server.client.get("/api/v1/health/live").status == 200
    finally:
        server.stop()
