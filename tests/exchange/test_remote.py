"""Push and pull: a folder, memory, and a real object store."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import push_claim, remote
from spinefrac.store import card as cards
from spinefrac.store import repository

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.fixture(scope="module")
def bucket():
    """The address of a bucket in a local object store."""
    moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    import boto3

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "tester")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="models")
        yield "s3://models/team"
    server.stop()


@pytest.fixture(params=["folder", "memory", "s3"])
def address(request, tmp_path):
    if request.param == "s3":
        return request.getfixturevalue("bucket") + f"/{tmp_path.name}"
    return f"memory://{tmp_path.name}" if request.param == "memory" else str(tmp_path / "far")


@pytest.fixture
def model(small_model):
    return small_model


def test_what_is_pulled_is_what_was_pushed(model, address, elsewhere):
    seen = []
    pushed = remote.push(model, address, lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] == pushed.bytes and not pushed.already
    assert remote.push(model, address).already
    elsewhere()
    pulled = remote.pull(f"{address}/{model.id}", "mine")
    assert pulled.card_sha256 == model.card_hash
    found = repository.load("mine")
    assert found.card == model.card
    for path in model.path.iterdir():
        if path.name != repository.ANNOTATIONS_FILE:
            assert (found.path / path.name).read_bytes() == path.read_bytes()
    with pytest.raises(ModelError, match="in use"):
        remote.pull(f"{address}/{model.id}", "mine")


def test_who_trained_it_elsewhere_does_not_own_it_here(
    model, tmp_path, own_home, elsewhere, monkeypatch
):
    own = shutil.copytree(model.path, own_home / "models" / model.id)
    written = cards.dump(replace(model.card, trained_by="kim"))
    (own / repository.CARD_FILE).write_bytes(written)
    monkeypatch.setenv("SPINEFRAC_HOME", str(own_home))
    (own / repository.ANNOTATIONS_FILE).unlink(missing_ok=True)
    trained = repository.load(model.id)
    assert trained.owner == "kim"
    remote.push(trained, str(tmp_path / "far"))
    elsewhere()
    pulled = remote.pull(f"{tmp_path / 'far'}/{model.id}", "mine")
    found = repository.load("mine")
    assert (found.owner, found.card.trained_by) == ("", "kim")
    assert pulled.card_sha256 == found.card_hash == trained.card_hash


def test_another_model_of_the_name_is_not_overwritten(model, address):
    remote.push(model, address)
    other = replace(model, card=replace(model.card, note="another"))
    files, root = remote._connect(address, "push").__enter__()
    files.pipe_file(f"{root}/{model.id}/card.json", cards.dump(other.card))
    with pytest.raises(ModelError, match=r"another model named .* not overwritten"):
        remote.push(model, address)


def test_one_flipped_bit_at_the_address_is_found_and_named(model, address, elsewhere, left_in):
    remote.push(model, address)
    files, root = remote._connect(address, "pull").__enter__()
    for name in (*model.card.files, "card.json"):
        path = f"{root}/{model.id}/{name}"
        content = bytearray(files.cat_file(path))
        content[len(content) // 2] ^= 4
        files.pipe_file(path, bytes(content))
        models = elsewhere()
        with pytest.raises(ModelError, match=name):
            remote.pull(f"{address}/{model.id}")
        assert not models.exists() or left_in(models) == []
        content[len(content) // 2] ^= 4
        files.pipe_file(path, bytes(content))
    path = f"{root}/{model.id}/serving.onnx"
    files.pipe_file(path, bytes(len(files.cat_file(path))))
    assert not remote.push(model, address).already, "a push mends what was damaged there"
    assert remote.pull(f"{address}/{model.id}").model == model.id


def test_a_place_without_a_whole_model_says_what_lies_below(model, address, elsewhere):
    remote.push(model, address)
    elsewhere()
    with pytest.raises(ModelError, match=f"below it there are {model.id}"):
        remote.pull(address, "x")
    with pytest.raises(ModelError, match="no complete model"):
        remote.pull(f"{address}/nothing")


def test_a_card_without_its_files_is_not_taken(model, address, elsewhere):
    remote.push(model, address)
    files, root = remote._connect(address, "pull").__enter__()
    files.rm(f"{root}/{model.id}/serving.onnx")
    elsewhere()
    with pytest.raises(ModelError, match=r"serving\.onnx is missing"):
        remote.pull(f"{address}/{model.id}")


@pytest.mark.parametrize("name", ["../../evil", "evil.py", ".."])
def test_a_card_that_lists_other_files_is_refused(model, tmp_path, elsewhere, name):
    remote.push(model, str(tmp_path / "far"))
    listed = model.card.files | {name: model.card.files["serving.onnx"]}
    place = tmp_path / "far" / model.id
    (place / "card.json").write_bytes(cards.dump(replace(model.card, files=listed)))
    elsewhere()
    with pytest.raises(ModelError, match="which no model of spinefrac has"):
        remote.pull(str(place))


def test_what_is_pulled_is_looked_at_like_any_file_from_elsewhere(
    model, tmp_path, elsewhere, left_in
):
    """Hashes only say that it is what somebody pushed."""
    from hashlib import sha256

    remote.push(model, str(tmp_path / "far"))
    place = tmp_path / "far" / model.id
    rubbish = b"not a network"
    (place / "serving.onnx").write_bytes(rubbish)
    record = cards.FileRecord(sha256(rubbish).hexdigest(), len(rubbish))
    card = replace(model.card, files=model.card.files | {"serving.onnx": record})
    (place / "card.json").write_bytes(cards.dump(card))
    models = elsewhere()
    with pytest.raises(ModelError):
        remote.pull(str(place))
    assert left_in(models) == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nosuch://x", "nosuch://x cannot be reached"),
        ("s3://tester:hidden@models/x", "s3://models/x"),
        ("/proc/forbidden/x", "cannot be reached or used"),
    ],
)
def test_an_address_that_does_not_work_is_said_in_one_line(model, address, message, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(ModelError, match=message) as found:
        remote.push(model, address)
    assert "\n" not in str(found.value) and "hidden" not in str(found.value)


@pytest.fixture
def other(model, tmp_path):
    """Another model of the same name."""
    folder = shutil.copytree(model.path, tmp_path / "other" / model.id)
    content = cards.dump(replace(model.card, note="another"))
    (folder / "card.json").write_bytes(content)
    return replace(
        model,
        path=folder,
        card=replace(model.card, note="another"),
        card_hash=hashlib.sha256(content).hexdigest(),
    )


def test_of_two_models_that_are_pushed_at_once_one_is_there(model, other, address, elsewhere):
    """Both find the name free before either writes its card."""
    start, results = threading.Barrier(2), {}

    def push(mine):
        start.wait()
        try:
            # Chunks of a transfer report; a moment each, so that both are under way together.
            results[mine.card_hash] = remote.push(mine, address, lambda *_: time.sleep(0.002))
        except ModelError as error:
            results[mine.card_hash] = error

    threads = [threading.Thread(target=push, args=(mine,)) for mine in (model, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (refused,) = [found for found in results.values() if isinstance(found, ModelError)]
    assert "not overwritten" in str(refused)
    (done,) = [found for found in results.values() if not isinstance(found, ModelError)]
    elsewhere()
    assert remote.pull(f"{address}/{model.id}").card_sha256 == done.card_sha256
    files, root = remote._connect(address, "pull").__enter__()
    assert not files.exists(f"{root}/{model.id}/{push_claim.CLAIM_FILE}")


def test_a_card_that_appears_meanwhile_is_not_overwritten(model, other, address):
    """By a version that claims no name; it is there when the last byte has been written."""
    files, root = remote._connect(address, "push").__enter__()
    path, content = f"{root}/{model.id}/card.json", (other.path / "card.json").read_bytes()

    def write_other_card(done, total):
        if not files.exists(path):
            files.pipe_file(path, content)

    with pytest.raises(ModelError, match="another model named"):
        remote.push(model, address, write_other_card)
    assert files.cat_file(path) == content


SLOW_PUSH = """
import sys, time
from spinefrac.exchange import push_claim, remote
from spinefrac.store import repository
model = repository.load(sys.argv[1])
print("ready", flush=True)
remote._CHUNK_BYTES = 256
remote.push(model, sys.argv[2], lambda done, total: time.sleep(0.004))
print("done", flush=True)
"""


@posix_only
@pytest.mark.slow
@pytest.mark.parametrize("where", ["folder", "s3"])
def test_a_killed_push_leaves_nothing_that_is_taken_for_whole(model, where, request, tmp_path):
    """Killed at random moments; a pull then gives the whole model or refuses."""
    base = request.getfixturevalue("bucket") + "/killed" if where == "s3" else str(tmp_path / "far")
    rng, ends = random.Random(8), []
    for attempt in range(6):
        address = f"{base}/{attempt}"
        with subprocess.Popen(
            [sys.executable, "-c", SLOW_PUSH, model.id, address], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0, 0.4))
            os.kill(child.pid, signal.SIGKILL)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SPINEFRAC_HOME", str(tmp_path / f"home-{attempt}"))
                remote.pull(f"{address}/{model.id}")
                assert repository.load(model.id).card == model.card
                ends.append("whole")
        except ModelError as error:
            assert "no complete model" in str(error)
            ends.append("nothing")
        assert remote.push(model, address).model == model.id
    assert "nothing" in ends
