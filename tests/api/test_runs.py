"""Runs by REST; no runner is started here, so nothing trains."""

import json
import threading
import time
import urllib.request

import pytest

from spinefrac.access import audit_log
from spinefrac.access.policy import Role
from spinefrac.training import runs
from spinefrac.training.runs import commands, lease, live
from tests.support.rest import DIRECT
from tests.training.conftest import write_slices


@pytest.fixture(scope="module", autouse=True)
def data(home):
    """A data root with a folder of slices; no process is started."""
    write_slices(home / "data" / "spines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lease, "_start_runner", lambda token: pytest.fail("a process was started"))
        patch.setattr(runs, "ensure_runner", lambda: False)
        patch.setattr(commands.lease, "ensure_runner", lambda: False)
        yield


@pytest.fixture(autouse=True)
def queue():
    """An empty queue before and after each test."""
    live.forget()
    yield
    for run in runs.list_runs():
        if run.is_open:
            runs.cancel(run.id)


def submit(client, name="", **body):
    return client.post_json("/api/v1/runs", {"folder": "data/spines", "name": name, **body})


def test_a_run_is_queued_shown_cancelled_and_resumed(client, home):
    answer = submit(client, "first", settings={"folds": 2, "epochs": 3}, note="a note")
    assert answer.status == 201, answer.text
    run = answer.json()
    assert run["state"] == "queued" and run["settings"]["epochs"] == 3
    assert run["folder"] == "data/spines" and str(home) not in answer.text
    shown = client.get(f"/api/v1/runs/{run['id']}").json()
    assert shown["position"] == 1 and len(shown["folds"]) == 2
    assert client.get("/api/v1/runs").json()[0]["id"] == run["id"]
    assert client.post_json(f"/api/v1/runs/{run['id']}/cancel").json()["state"] == "cancelled"
    assert client.post_json(f"/api/v1/runs/{run['id']}/cancel").status == 409
    assert client.post_json(f"/api/v1/runs/{run['id']}/resume").json()["state"] == "queued"


def test_a_run_without_a_name_gets_the_folder_s(client):
    assert submit(client).json()["name"] == "spines"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"settings": {"epochs": 0}}, "epochs"),
        ({"settings": {"network": "unknown"}}, "network"),
        ({"settings": {"weights": "/etc/passwd"}}, "weights"),
        ({"settings": {"nonsense": 1}}, "nonsense"),
        ({"folder": "/etc"}, "Expected a folder within"),
        ({"folder": "data/../.."}, "Expected a folder within"),
        ({"augmentation": "../../x"}, "no augmentation"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_what_cannot_be_trained_is_refused(client, body, words):
    answer = client.post_json("/api/v1/runs", {"folder": "data/spines", **body})
    assert answer.status == 422 and words in answer.json()["detail"]


def test_a_taken_name_is_a_conflict(client):
    submit(client, "first")
    assert submit(client, "first").status == 409
    assert submit(client, "phantom-demo").status == 409


def test_who_may_train_and_change_what(as_role):
    assert submit(as_role(None)).status == 401
    assert submit(as_role(Role.VIEWER)).status == 403
    own = submit(as_role(Role.TRAINER), "own").json()
    assert own["trained_by"] == "some-trainer"
    foreign = submit(as_role(Role.ADMIN), "foreign").json()
    trainer, viewer = as_role(Role.TRAINER), as_role(Role.VIEWER)
    assert viewer.get(f"/api/v1/runs/{own['id']}").status == 200
    assert viewer.post_json(f"/api/v1/runs/{own['id']}/cancel").status == 403
    assert trainer.post_json(f"/api/v1/runs/{foreign['id']}/cancel").status == 403
    assert trainer.post_json(f"/api/v1/runs/{own['id']}/cancel").status == 200
    assert as_role(Role.ADMIN).post_json(f"/api/v1/runs/{foreign['id']}/cancel").status == 200
    assert as_role(None).post_json("/api/v1/runs/nothing/cancel").status == 401
    logged = [(line.who, line.action, line.subject) for line in audit_log.list_entries(2)]
    assert logged == [
        ("some-admin", "change-run", foreign["id"]),
        ("some-trainer", "change-run", own["id"]),
    ]


def test_one_person_has_so_many_runs_at_most(as_role, monkeypatch):
    from spinefrac.system import budgets

    monkeypatch.setattr(budgets.RUNS, "share", 1)
    trainer = as_role(Role.TRAINER)
    assert submit(trainer).status == 201
    assert submit(trainer).status == 413


def read_events(client, run_id, last=0):
    request = urllib.request.Request(
        f"{client.address}/api/v1/runs/{run_id}/events", headers={"Last-Event-ID": str(last)}
    )
    with DIRECT.open(request, timeout=30) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        text = response.read().decode()
    found = []
    for block in filter(None, text.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def test_events_are_sent_as_they_happen_until_the_run_has_ended(client):
    run = submit(client, "followed").json()
    found = []
    thread = threading.Thread(target=lambda: found.extend(read_events(client, run["id"])))
    thread.start()
    time.sleep(0.5)
    assert thread.is_alive()
    client.post_json(f"/api/v1/runs/{run['id']}/cancel")
    thread.join(10)
    assert [(kind, data["message"]) for _, kind, data in found] == [
        ("state", "queued"),
        ("state", "cancelled"),
    ]
    assert [one[0] for one in read_events(client, run["id"], found[0][0])] == [found[1][0]]
    assert client.get("/api/v1/runs/nothing/events").status == 404
