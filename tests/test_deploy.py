"""The files of docs/deploy, used as they stand but for ports and folders."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.test_serve import Server, free_port

pytest.importorskip("cryptography", reason="`make test` installs cryptography")

from tests.support.certificate import write_certificate

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "docs" / "deploy"
NAME = "spine.example"


def need(program):
    """Return the path of a program; the test is skipped, by name, where there is none."""
    found = shutil.which(program, path="/usr/sbin:/usr/local/bin:/usr/bin:/bin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def replace(text, *pairs):
    for old, new in pairs:
        assert old in text, f"{old} is not in the file any more"
        text = text.replace(old, new)
    return text


def test_systemd_accepts_the_unit(tmp_path):
    program = need("systemd-analyze")
    text = (DEPLOY / "spinefrac.service").read_text("utf-8")
    unit = tmp_path / "spinefrac.service"
    unit.write_text(replace(text, ("/opt/spinefrac/.venv/bin/python", sys.executable)))
    done = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True)
    assert done.returncode == 0 and "spinefrac.service" not in done.stderr, done.stderr


def test_the_command_of_the_unit_and_of_the_image_is_one_that_exists():
    from tests.test_readme import parse

    unit = (DEPLOY / "spinefrac.service").read_text("utf-8")
    image = (DEPLOY / "Containerfile").read_text("utf-8")
    (command,) = re.findall(r"^ExecStart=\S+ -m spinefrac (.*)$", unit, re.MULTILINE)
    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", image, re.MULTILINE)
    parse(command.split())
    parse(json.loads(entry)[3:])


def test_what_the_image_copies_exists():
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    for sources in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server as the unit starts it."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "models" / "phantom-demo", home / "models" / "phantom-demo")
    found = Server(home, "--allow-host", NAME)
    try:
        yield found.wait()
    finally:
        found.stop()


@contextmanager
def running(command, port):
    """Run a proxy until it has answered what the body asks."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


def ask(port, path, *lines, host=NAME):
    """Send a request by TLS under the name of the server; return the head of the answer."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    head = "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *lines, "", ""])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        connection.sendall(head.encode())
        answer = b""
        while b"\r\n\r\n" not in answer and (part := connection.recv(65536)):
            answer += part
    return answer.decode(errors="replace").split("\r\n\r\n")[0]


WEBSOCKET = (
    f"Origin: https://{NAME}",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)


def check_proxy(port):
    """Hold a proxy to what the server needs of it."""
    live = ask(port, "/api/v1/health/live", "Connection: close")
    assert live.startswith("HTTP/1.1 200") and "strict-transport-security" in live.lower()
    page = ask(port, "/_stcore/health", "Connection: close").lower()
    (cookie,) = re.findall(r"^set-cookie: (.*)$", page, re.MULTILINE)
    assert "secure" in cookie and "samesite=strict" in cookie
    # Who comes through a proxy is nobody on this machine.
    assert ask(port, "/api/v1/models", "Connection: close").startswith("HTTP/1.1 401")
    assert ask(port, "/_stcore/stream", *WEBSOCKET).startswith("HTTP/1.1 101")
    foreign = [line.replace(NAME, "evil.example") for line in WEBSOCKET]
    assert ask(port, "/_stcore/stream", *foreign).startswith("HTTP/1.1 403")


def test_nginx_passes_on_what_the_server_needs(server, tmp_path):
    program = need("nginx")
    port = free_port()
    cert, key = write_certificate(tmp_path, NAME)
    site = replace(
        (DEPLOY / "nginx.conf").read_text("utf-8"),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/ssl/spinefrac/cert.pem", str(cert)),
        ("/etc/ssl/spinefrac/key.pem", str(key)),
        ("127.0.0.1:8501", f"127.0.0.1:{server.port}"),
    )
    (tmp_path / "site.conf").write_text(site)
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
        f"events {{}}\nhttp {{ {folders} include {tmp_path}/site.conf; }}\n"
    )
    command = [program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stderr
    with running(command, port):
        check_proxy(port)


def test_caddy_passes_on_what_the_server_needs(server, tmp_path):
    program = need("caddy")
    port = free_port()
    cert, key = write_certificate(tmp_path, NAME)
    site = replace(
        (DEPLOY / "Caddyfile").read_text("utf-8"),
        (f"\n{NAME} {{", f"\nhttps://{NAME}:{port} {{\n\ttls {cert} {key}"),
        ("127.0.0.1:8501", f"127.0.0.1:{server.port}"),
    )
    options = f"{{\n\tadmin off\n\tauto_https off\n\tstorage file_system {tmp_path}/storage\n}}\n"
    (tmp_path / "Caddyfile").write_text(options + site)
    command = [program, "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"]
    with running(command, port):
        # Caddy names the port in Host, because it listens on another one here.
        check_proxy(port)


def test_the_server_speaks_tls_itself(tmp_path_factory):
    home = tmp_path_factory.mktemp("tls")
    cert, key = write_certificate(home, NAME)
    options = ("--tls-cert", str(cert), "--tls-key", str(key), "--allow-host", NAME)
    server = Server(home, *options)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", server.port)) == 0:
                    break
            time.sleep(0.1)
        live = ask(server.port, "/api/v1/health/live", "Connection: close")
        assert live.startswith("HTTP/1.1 200") and "strict-transport-security" in live
        page = ask(server.port, "/_stcore/health", "Connection: close")
        assert "; Secure" in re.findall(r"^set-cookie: (.*)$", page, re.MULTILINE)[0]
    finally:
        assert server.stop() < 5
