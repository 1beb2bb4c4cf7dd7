"""The program of a worker, spoken to over its pipes; `test_worker_pool` has the rest."""

import subprocess
import sys

import msgspec

from spinefrac.system import worker_messages
from spinefrac.system.resource_limits import ResourceLimits
from spinefrac.system.worker_messages import Call, Reply
from tests.support import worker_functions as functions


def test_it_serves_until_its_input_ends(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    limits = msgspec.json.encode(ResourceLimits()).decode()
    command = [sys.executable, "-m", "spinefrac.system.worker", functions.__name__, limits]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker_messages.read_frame(worker.stdout) == b""
        for name in ("describe", "describe"):
            call = Call(name, worker_messages.encode_arguments(("a", (1.0,))))
            worker_messages.write_frame(worker.stdin, msgspec.msgpack.encode(call))
            frame = worker_messages.read_frame(worker.stdout)
            reply = msgspec.msgpack.decode(frame, type=Reply)
            answer = worker_messages.decode_result(reply.result, functions.Answer, None)
            assert answer == functions.Answer("a", (1.0,), worker.pid)
        worker.stdin.close()
        assert worker.wait(10) == 0 and worker.stdout.read() == b""
