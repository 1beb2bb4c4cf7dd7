"""Predictions by REST: the same as those of the command line, and what is refused."""

import base64
import io
import json
import zipfile

import cv2
import numpy as np

from spinefrac.access import users
from spinefrac.access.policy import LOCAL, Role
from spinefrac.api import predict
from spinefrac.cli import main
from tests.api.conftest import SAMPLES


def pack(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_it_answers_what_the_command_line_prints(client, slice_file, capsys):
    answer = client.post_files("/api/v1/predict", [("files", "fracture-1.dcm", slice_file)])
    assert answer.status == 200
    assert main(["predict", str(SAMPLES / "fracture-1.dcm"), "--json"]) == 0
    printed, answered = json.loads(capsys.readouterr().out), answer.json()
    for record in (*printed, *answered):
        del record["milliseconds"], record["file"]
    assert answered == printed


def test_a_file_that_cannot_be_read_does_not_stop_the_others(client, slice_file):
    files = [("files", "a.dcm", slice_file), ("files", "b.png", b"no picture")]
    first, second = client.post_files("/api/v1/predict", files).json()
    assert first["label"] == "fracture" and "probability" in first
    assert second["file"] == "b.png" and "expected a PNG" in second["error"]


def test_files_none_of_which_can_be_read_are_a_problem(client):
    answer = client.post_files("/api/v1/predict", [("files", "b.png", b"no picture")])
    assert answer.status == 422 and answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["kind"] == "no-prediction" and problem["files"][0]["file"] == "b.png"


def test_heat_maps_come_as_pictures_on_request(client, slice_file):
    files = [("files", "a.dcm", slice_file)]
    (plain,) = client.post_files("/api/v1/predict", files).json()
    (drawn,) = client.post_files("/api/v1/predict", files, heatmap="true").json()
    assert "heatmap" not in plain
    head, _, encoded = drawn["heatmap"].partition(",")
    assert head == "data:image/png;base64"
    alone = client.post_files("/api/v1/predict/heatmap", [("file", "a.dcm", slice_file)])
    assert alone.headers["Content-Type"] == "image/png"
    assert alone.content == base64.b64decode(encoded)
    picture = cv2.imdecode(np.frombuffer(alone.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (512, 512, 3) and np.ptp(picture, axis=2).any()


def test_a_zip_is_opened(client, slice_file):
    archive = pack(**{"one.dcm": slice_file, "two.png": (SAMPLES / "normal-1.png").read_bytes()})
    answer = client.post_files("/api/v1/predict", [("files", "all.zip", archive)])
    assert [record["file"] for record in answer.json()] == ["one.dcm", "two.png"]


def test_slices_of_a_series_become_one_record(client, tmp_path):
    from spinefrac.data import phantom

    phantom.write_phantom(tmp_path, patients=2, slices=4, seed=3, format="dicom")
    files = sorted(tmp_path.rglob("P001*.dcm"))
    assert len(files) >= 2
    sent = [("files", path.name, path.read_bytes()) for path in files]
    answer = client.post_files("/api/v1/predict", sent, series="true")
    (record,) = [one for one in answer.json() if "series" in one]
    assert record["slices"] == len(files) == len(record["probabilities"])


def test_an_unknown_model_is_not_found(client, slice_file):
    files = [("files", "a.dcm", slice_file)]
    answer = client.post_files("/api/v1/predict", files, model="nothing-here")
    assert answer.status == 404 and answer.json()["kind"] == "not-found"


def test_nobody_predicts_without_a_token_on_a_team_server(as_role, slice_file):
    files = [("files", "a.dcm", slice_file)]
    answer = as_role(None).post_files("/api/v1/predict", files)
    assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert as_role(Role.VIEWER).post_files("/api/v1/predict", files).status == 200


def test_a_guest_predicts_with_the_model_of_the_link_only(as_role, client, slice_file):
    files = [("files", "a.dcm", slice_file)]
    guest = as_role(None)
    guest.token = users.issue_guest("phantom-demo", LOCAL)
    assert guest.post_files("/api/v1/predict", files).status == 200
    guest.token = users.issue_guest("another", LOCAL)
    assert guest.post_files("/api/v1/predict", files).status == 403


def test_a_server_with_too_much_to_do_says_when_to_come_back(client, slice_file):
    taken = 0
    while predict._places.acquire(blocking=False):
        taken += 1
    try:
        answer = client.post_files("/api/v1/predict", [("files", "a.dcm", slice_file)])
    finally:
        predict._places.release(taken)
    assert taken == predict.MAX_REQUESTS
    assert answer.status == 429 and int(answer.headers["Retry-After"]) > 0


def test_a_request_that_was_refused_gives_its_place_back(client):
    before = predict._places._value
    client.post_files("/api/v1/predict", [("files", "b.png", b"no picture")])
    assert predict._places._value == before
