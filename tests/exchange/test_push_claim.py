"""A name at an address belongs to one push at a time."""

import json
import multiprocessing
import time

import fsspec
import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import push_claim


@pytest.fixture
def files():
    return fsspec.filesystem("file")


def create(path: str, content: bytes) -> bool:
    return push_claim.create_file(fsspec.filesystem("file"), path, content)


def test_of_many_processes_one_creates_a_file(tmp_path):
    path = str(tmp_path / "card.json")
    contents = [f"process {number}".encode() for number in range(8)]
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        won = pool.starmap(create, [(path, content) for content in contents], chunksize=1)
    assert won.count(True) == 1
    assert (tmp_path / "card.json").read_bytes() == contents[won.index(True)]


def test_another_model_waits_and_the_same_one_goes_on(files, tmp_path):
    folder = str(tmp_path)
    with push_claim.claim_name(files, folder, "mine") as is_held:
        assert is_held()
        with (
            pytest.raises(ModelError, match=r"not overwritten.*remove push\.lock"),
            push_claim.claim_name(files, folder, "other"),
        ):
            pass
        assert is_held()
        with push_claim.claim_name(files, folder, "mine") as is_held_again:
            assert is_held_again() and not is_held()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "age_s", "free"),
    [
        ({"token": "x", "card_sha256": "o"}, 90_000, True),
        ({"token": "x", "card_sha256": "o"}, 80_000, False),
        ({"token": "x"}, None, True),  # of no known kind
        (None, None, False),  # its owner is writing it
    ],
)
def test_a_claim_of_a_killed_push_expires(files, tmp_path, content, age_s, free):
    if age_s is not None:
        content = content | {"time": time.time() - age_s}
    text = "{" if content is None else json.dumps(content)
    (tmp_path / push_claim.CLAIM_FILE).write_text(text)
    if free:
        with push_claim.claim_name(files, str(tmp_path), "mine") as is_held:
            assert is_held()
        assert not list(tmp_path.iterdir())
        return
    with pytest.raises(ModelError), push_claim.claim_name(files, str(tmp_path), "mine"):
        pass
    assert (tmp_path / push_claim.CLAIM_FILE).read_text() == text


def test_an_error_of_the_push_frees_the_name(files, tmp_path):
    with pytest.raises(RuntimeError), push_claim.claim_name(files, str(tmp_path), "mine"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_exclusive_creation_is_read_back(files, tmp_path, monkeypatch):
    open_file = files.open

    def refuse(path, mode="rb", **options):
        if "x" in mode:
            raise ValueError(mode)
        return open_file(path, mode, **options)

    monkeypatch.setattr(files, "open", refuse)
    assert push_claim.create_file(files, str(tmp_path / "a"), b"1")
    assert not push_claim.create_file(files, str(tmp_path / "a"), b"2")
    assert (tmp_path / "a").read_bytes() == b"1"
