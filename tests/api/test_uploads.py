"""Data sets in parts by REST: a broken upload goes on with what is missing."""

import hashlib

import pytest

from spinefrac.access.policy import Role
from tests.access.test_uploads import pack


@pytest.fixture
def trainer(as_role):
    return as_role(Role.TRAINER)


def put(client, upload, content):
    sha256 = hashlib.sha256(content).hexdigest()
    headers = {"Content-Type": "application/octet-stream"}
    return client.ask("PUT", f"/api/v1/uploads/{upload}/parts/{sha256}", content, headers)


def test_an_upload_goes_on_where_it_broke_off(trainer):
    begun = trainer.post_json("/api/v1/uploads", {"name": "spines"})
    assert begun.status == 201 and begun.json()["parts"] == []
    upload = begun.json()["id"]
    parts = [pack("fracture"), pack("normal")]
    assert put(trainer, upload, parts[0]).status == 200
    there = {one["sha256"] for one in trainer.get(f"/api/v1/uploads/{upload}").json()["parts"]}
    missing = [part for part in parts if hashlib.sha256(part).hexdigest() not in there]
    assert missing == parts[1:]
    answer = put(trainer, upload, missing[0])
    assert [one["bytes"] for one in answer.json()["parts"]] and len(answer.json()["parts"]) == 2
    finished = trainer.ask("POST", f"/api/v1/uploads/{upload}/finish")
    assert finished.status == 201, finished.text
    assert finished.json()["id"] in [one["id"] for one in trainer.get("/api/v1/datasets").json()]
    assert trainer.get(f"/api/v1/uploads/{upload}").status == 404


def test_a_part_that_arrived_damaged_is_refused(trainer):
    upload = trainer.post_json("/api/v1/uploads", {"name": "spines"}).json()["id"]
    assert put(trainer, upload, b"no archive").status == 422
    wrong = f"/api/v1/uploads/{upload}/parts/{64 * 'a'}"
    assert trainer.ask("PUT", wrong, pack("fracture")).status == 422
    assert trainer.ask("DELETE", f"/api/v1/uploads/{upload}").status == 204


def test_the_upload_of_another_is_not_there(trainer, as_role):
    upload = trainer.post_json("/api/v1/uploads", {"name": "spines"}).json()["id"]
    admin = as_role(Role.ADMIN)
    assert put(admin, upload, pack("fracture")).status == 404
    assert admin.ask("POST", f"/api/v1/uploads/{upload}/finish").status == 404
    assert trainer.ask("DELETE", f"/api/v1/uploads/{upload}").status == 204
