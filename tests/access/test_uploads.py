"""Uploads in parts: what arrived stays, whatever breaks, and is one person's."""

from __future__ import annotations

import hashlib
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from spinefrac.access import datasets, uploads
from spinefrac.access.policy import LOCAL, Identity, Role
from spinefrac.errors import AccessError, DatasetError, UnknownUploadError

SAMPLES = Path(__file__).resolve().parents[2] / "spinefrac" / "ui" / "samples"
KIM, TOM = Identity("kim", Role.TRAINER), Identity("tom", Role.TRAINER)


def pack(label: str, *, note: str = "") -> bytes:
    """Return a ZIP of the samples of a class."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for path in sorted(SAMPLES.glob(f"{label}-*")):
            packed.write(path, f"{label}/{path.name}")
        if note:
            packed.writestr("notes.txt", note)
    return buffer.getvalue()


def send(identity: Identity, upload: uploads.Upload, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    uploads.add_part(identity, upload.id, sha256, content)
    return sha256


@pytest.fixture
def started(home: Path) -> uploads.Upload:
    """An upload of kim's without parts."""
    return uploads.start(KIM, " two  parts ")


def test_parts_become_one_data_set(started: uploads.Upload, home: Path) -> None:
    first = send(KIM, started, pack("fracture"))
    assert send(KIM, started, pack("fracture")) == first  # sent again, as it was not acknowledged
    second = send(KIM, started, pack("normal"))
    assert set(uploads.get(KIM, started.id).list_parts()) == {first, second}
    result = uploads.finish(KIM, started.id)
    assert result.dataset.name == "two parts" and not result.left_out
    assert result.dataset.files == len([*SAMPLES.glob("fracture-*"), *SAMPLES.glob("normal-*")])
    assert datasets.list_datasets(KIM) == [result.dataset]
    assert list((home / "incoming").iterdir()) == []
    with pytest.raises(UnknownUploadError):
        uploads.finish(KIM, started.id)


def test_a_part_that_broke_is_not_kept(started: uploads.Upload) -> None:
    content = pack("fracture")
    with pytest.raises(DatasetError, match="send it again"):
        uploads.add_part(KIM, started.id, hashlib.sha256(content).hexdigest(), content[:-100])
    with pytest.raises(DatasetError, match="send a ZIP"):
        send(KIM, started, b"no archive")
    assert started.list_parts() == {}


def test_parts_without_classes_stay_for_another_try(started: uploads.Upload) -> None:
    sha256 = send(KIM, started, pack("fracture"))
    with pytest.raises(DatasetError, match="normal"):
        uploads.finish(KIM, started.id)
    assert list(uploads.get(KIM, started.id).list_parts()) == [sha256]
    send(KIM, started, pack("normal"))
    assert uploads.finish(KIM, started.id).dataset.files


@pytest.mark.parametrize("somebody", [TOM, Identity("ada", Role.ADMIN), LOCAL])
def test_the_upload_of_another_is_not_there(started: uploads.Upload, somebody: Identity) -> None:
    content = pack("fracture")
    for act in (
        lambda: uploads.get(somebody, started.id),
        lambda: send(somebody, started, content),
        lambda: uploads.finish(somebody, started.id),
        lambda: uploads.discard(somebody, started.id),
    ):
        with pytest.raises(UnknownUploadError):
            act()
    assert uploads.get(KIM, started.id)


def test_a_viewer_uploads_nothing(home: Path) -> None:
    for act in (uploads.start, uploads.get, uploads.discard):
        with pytest.raises(AccessError):
            act(Identity("vic", Role.VIEWER), "x")


def test_parts_at_the_same_time_are_all_kept(started: uploads.Upload) -> None:
    contents = [pack("fracture", note=str(number)) for number in range(4)]
    with ThreadPoolExecutor() as pool:
        sent = set(pool.map(lambda content: send(KIM, started, content), contents))
    assert set(started.list_parts()) == sent and len(sent) == 4


def test_two_who_finish_at_once_make_one_data_set(started: uploads.Upload) -> None:
    for label in ("fracture", "normal"):
        send(KIM, started, pack(label))

    def finish(_: int) -> bool:
        try:
            uploads.finish(KIM, started.id)
        except UnknownUploadError:
            return False
        return True

    with ThreadPoolExecutor() as pool:
        assert sorted(pool.map(finish, range(2))) == [False, True]
    assert len(datasets.list_datasets(KIM)) == 1


def test_one_person_holds_only_so_much(
    started: uploads.Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOADS", 1)
    with pytest.raises(DatasetError, match="at most 1 unfinished"):
        uploads.start(KIM, "second")
    uploads.start(TOM, "first of another")
    content = pack("fracture")
    monkeypatch.setattr(datasets, "MAX_OWNED_BYTES", len(content))
    send(KIM, started, content)
    with pytest.raises(DatasetError, match="delete one first"):
        send(KIM, started, pack("normal"))
    monkeypatch.setattr(uploads, "MAX_PARTS", 1)
    with pytest.raises(DatasetError, match="send larger ones"):
        send(KIM, started, pack("normal"))


def test_an_old_upload_is_removed_when_another_begins(
    started: uploads.Upload, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LIFETIME", timedelta(days=-1))
    uploads.start(TOM, "later")
    with pytest.raises(UnknownUploadError):
        uploads.get(KIM, started.id)


def test_a_discarded_upload_leaves_nothing(started: uploads.Upload, home: Path) -> None:
    send(KIM, started, pack("fracture"))
    uploads.discard(KIM, started.id)
    assert list((home / "incoming").iterdir()) == []
