"""Data sets by REST."""

import io
import zipfile

import pytest

from spinefrac.access import audit_log
from spinefrac.access.policy import Role
from spinefrac.training import runs
from spinefrac.training.runs import commands, lease
from tests.training.conftest import write_slices


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Slices in class folders, as a ZIP."""
    root = write_slices(tmp_path_factory.mktemp("slices") / "spines")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for path in sorted(root.rglob("*.png")):
            packed.write(path, path.relative_to(root))
        packed.writestr("fracture/notes.txt", "no slice")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def no_runner(monkeypatch):
    monkeypatch.setattr(lease, "_start_runner", lambda token: pytest.fail("a process was started"))
    monkeypatch.setattr(runs, "ensure_runner", lambda: False)
    monkeypatch.setattr(commands.lease, "ensure_runner", lambda: False)


def upload(client, archive, **fields):
    files = [("files", "slices.zip", archive)]
    return client.post_files("/api/v1/datasets", files, **({"name": "spines"} | fields))


def test_a_zip_becomes_a_data_set_that_a_run_trains_on(as_role, archive):
    trainer = as_role(Role.TRAINER)
    answer = upload(trainer, archive)
    assert answer.status == 201, answer.text
    record = answer.json()
    assert record["name"] == "spines" and record["owner"] == "some-trainer"
    assert record["files"] >= 48 and record["shared"] is False
    assert record["id"] in [one["id"] for one in trainer.get("/api/v1/datasets").json()]
    run = trainer.post_json("/api/v1/runs", {"dataset": record["id"], "name": "own"})
    assert run.status == 201, run.text
    trainer.post_json(f"/api/v1/runs/{run.json()['id']}/cancel")
    logged = {(line.action, line.subject) for line in audit_log.list_entries(5)}
    assert ("add-dataset", record["id"]) in logged


def test_the_data_set_of_another_is_not_there(as_role, client, archive):
    other = upload(as_role(Role.ADMIN), archive).json()["id"]
    trainer = as_role(Role.TRAINER)
    assert other not in [one["id"] for one in trainer.get("/api/v1/datasets").json()]
    assert trainer.post_json("/api/v1/runs", {"dataset": other}).status == 422


@pytest.mark.parametrize(("role", "status"), [(None, 401), (Role.VIEWER, 403), (Role.TRAINER, 201)])
def test_who_may_upload(as_role, archive, role, status):
    assert upload(as_role(role), archive).status == status


def test_what_is_no_data_set_is_refused(client, archive):
    assert upload(client, b"no archive").status == 422
    assert upload(client, archive, name="x" * 100).status == 422


def test_a_run_names_a_folder_or_a_data_set(client):
    for body in ({}, {"folder": "data/x", "dataset": "x"}):
        assert client.post_json("/api/v1/runs", body).status == 422
