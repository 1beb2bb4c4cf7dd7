"""`spinefrac serve`: pages and REST in one process."""

from __future__ import annotations

import logging
import os
import signal
import socket
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spinefrac import extras
from spinefrac.cli import output
from spinefrac.errors import ServerError

#: Seconds for answers in progress once the server is to stop; then it ends them.
STOP_S = 3


class LogFormat(StrEnum):
    """How lines of the log are written."""

    TEXT = "text"
    JSON = "json"


def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8501,
    tls_cert: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificate of the server, PEM.", show_default=False),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Key of the certificate, PEM.", show_default=False),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Name under which people reach the server, such as demo.example.org; may be "
            "repeated. Addresses in numbers, localhost and the machine's own name need none.",
            show_default=False,
        ),
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option(help="Lines of the log on stderr as text or as JSON.")
    ] = LogFormat.TEXT,
) -> None:
    """Serve the pages, and REST under /api/v1.

    On this machine (127.0.0.1) everybody may do everything. On any other address people have to
    sign in: see docs/rest.md and docs/security.md. It ends on Ctrl-C or SIGTERM within 5 seconds;
    runs go on without it.
    """
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("--tls-cert and --tls-key belong together: give both or neither")
    extras.require("serve")
    listening = _listen(host, port)
    host_and_port = listening.getsockname()
    _set_environment(host, host_and_port[1], tls_cert, tls_key, allow_host or [])
    _start_log(log_format)
    scheme = "https" if tls_cert else "http"
    name = f"[{host}]" if ":" in host else host
    output.print_message(f"serving on {scheme}://{name}:{host_and_port[1]}; Ctrl-C ends it")
    _run(listening, tls_cert, tls_key)


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; the server has no other one."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        raise ServerError(
            f"cannot listen on {host}, port {port} ({error.strerror or error}): choose another "
            "--port or --host"
        ) from error
    # Every connection inherits it. asyncio sets it only on sockets that it opened itself; without
    # it a small message waits for the receipt of the one before, 40 ms where that is delayed.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _set_environment(
    host: str, port: int, cert: Path | None, key: Path | None, names: list[str]
) -> None:
    """Tell the application, which reads the environment, what was asked for."""
    os.environ["STREAMLIT_SERVER_ADDRESS"] = host
    os.environ["STREAMLIT_SERVER_PORT"] = str(port)
    if cert and key:
        os.environ["STREAMLIT_SERVER_SSL_CERT_FILE"] = str(cert.resolve())
        os.environ["STREAMLIT_SERVER_SSL_KEY_FILE"] = str(key.resolve())
    if names:
        known = os.environ.get("SPINEFRAC_ALLOWED_HOSTS", "")
        os.environ["SPINEFRAC_ALLOWED_HOSTS"] = ",".join(filter(None, [known, *names]))


def _start_log(log_format: LogFormat) -> None:
    from spinefrac.system import structured_log

    structured_log.start(as_json=log_format is LogFormat.JSON)


def _run(listening: socket.socket, cert: Path | None, key: Path | None) -> None:
    import uvicorn

    config = uvicorn.Config(
        "spinefrac.server:app",
        lifespan="on",
        ws="websockets-sansio",
        # As with Streamlit's own server: deflating what a page sends costs more than sending it.
        ws_per_message_deflate=False,
        ssl_certfile=cert,
        ssl_keyfile=key,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
    )
    server = uvicorn.Server(config)
    # uvicorn sends itself the signal again once it has stopped; it has done its work by then.
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: None)
    server.run(sockets=[listening])
    if not server.started:
        raise ServerError("the server could not start: its log above says why")
    # Threads that still predict for somebody who is gone would keep the process: everything that
    # is to be kept is written in transactions, and decoders end with their parent.
    logging.shutdown()
    os._exit(0)
