"""Saved models are renamed, annotated, duplicated, archived, deleted, restored and purged."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.inference import predictor
from spinefrac.records import CtSlice
from spinefrac.store import evaluations, manage, repository, trash
from spinefrac.store.repository import DamagedModel, SavedModel


@pytest.fixture
def models(saved_model, tmp_path, monkeypatch) -> Path:
    """A home with one model, tiny, that a test may change; returns the models' folder."""
    shutil.copytree(saved_model.path, tmp_path / "models" / "tiny")
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path / "models"


def ids() -> list[str]:
    found = repository.list_models()
    assert all(isinstance(model, SavedModel) for model in found), found
    return [model.id for model in found]


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# --- names -----------------------------------------------------------------------------


def test_a_rename_keeps_annotations_evaluations_and_the_choice_as_default(models):
    manage.annotate("tiny", note="mine", tags=["a"])
    manage.set_default("tiny")
    before = repository.load("tiny")
    kept = models.parent / "evaluations" / before.card_hash[:16]
    kept.mkdir(parents=True)
    model = manage.rename("tiny", "other")
    assert ids() == ["other"] and repository.get_default_id() == "other"
    assert (model.note, model.tags, model.card_hash) == ("mine", ("a",), before.card_hash)
    assert evaluations._evaluations_dir(model.card_hash) == kept
    with pytest.raises(ModelError, match="tiny is now named other"):
        repository.load("tiny")
    manage.rename("other", "tiny")
    assert repository.load("tiny").annotations.former_names == ("other",)


def test_a_default_of_a_former_name_is_still_found(models):
    """As after a kill between the two renames."""
    manage.rename("tiny", "other")
    (models / "default.txt").write_text("tiny\n")
    assert repository.get_default_id() == "other"


@pytest.mark.parametrize(
    ("new", "message"), [("second", "in use"), ("A b", "choose another name"), ("..", "another")]
)
def test_a_name_that_is_none_or_taken_is_refused(models, new, message):
    manage.duplicate("tiny", "second")
    with pytest.raises(ModelError, match=message):
        manage.rename("tiny", new)
    with pytest.raises(ModelError, match=message):
        manage.duplicate("tiny", new)
    assert ids() == ["second", "tiny"]
    assert repository.load("tiny").annotations.former_names == ()


def test_a_duplicate_is_whole_and_its_own(models):
    manage.annotate("tiny", note="mine", tags=["a"])
    copy = manage.duplicate("tiny", "copy")
    assert (copy.note, copy.tags) == ("mine", ("a",))
    manage.annotate("copy", note="another")
    manage.purge([manage.delete("tiny")])
    assert repository.load("copy").note == "another"


# --- annotations -----------------------------------------------------------------


def test_notes_change_no_hash_and_leave_each_other_alone(models):
    before = repository.load("tiny")
    manage.annotate("tiny", tags=["b", "a"])
    after = manage.annotate("tiny", note="new")
    assert (after.note, after.tags) == ("new", ("a", "b"))
    assert after.card_hash == before.card_hash and before.note == "made by a test"
    assert manage.annotate("tiny", note="").note == ""


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_flipped_bit_of_the_annotations_is_found_and_named(models, share):
    manage.annotate("tiny", note="x" * 50)
    path = models / "tiny" / "slip.json"
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 2
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"Model tiny: slip\.json"):
        repository.load("tiny")
    path.unlink()
    assert repository.load("tiny").note == "made by a test"


def test_archived_ones_are_no_default(models):
    manage.duplicate("tiny", "second")
    manage.annotate("tiny", archived=True)
    assert repository.get_default_id() == "second"
    with pytest.raises(ModelError, match="is archived"):
        manage.set_default("tiny")
    manage.set_default("second")
    with pytest.raises(ModelError, match="is the default"):
        manage.annotate("second", archived=True)
    (models / "default.txt").unlink()
    manage.annotate("second", archived=True)
    with pytest.raises(ModelError, match="Every saved model is archived"):
        repository.get_default_id()


# --- deleting and undoing --------------------------------------------------------------


def test_a_deleted_model_is_restored_as_it_was(models):
    manage.annotate("tiny", note="mine")
    before = repository.load("tiny")
    manage.delete("tiny", "cafe0123")
    assert ids() == []
    with pytest.raises(ModelError, match=r"tiny was deleted at .* models restore"):
        repository.load("tiny")
    assert manage.restore("tiny") == "tiny"
    assert repository.load("tiny") == before and trash.list_deleted() == []


def test_a_purge_removes_every_file(models):
    whole = size_of(models.parent)
    model = repository.load("tiny")
    kept = models.parent / "evaluations" / model.card_hash[:16]
    kept.mkdir(parents=True)
    (kept / "a.csv").write_bytes(b"x" * 1000)
    manage.delete("tiny")
    assert size_of(models) == whole and (kept / "a.csv").exists()
    assert manage.purge() >= model.size
    assert size_of(models.parent) == 0 and not kept.exists()
    with pytest.raises(ModelError, match="purged"):
        repository.load("tiny")
    with pytest.raises(ModelError, match="No deleted model"):
        manage.restore("tiny")


def test_evaluations_stay_while_a_duplicate_has_them(models):
    kept = evaluations._evaluations_dir(manage.duplicate("tiny", "copy").card_hash)
    kept.mkdir(parents=True)
    manage.purge([manage.delete("tiny")])
    assert kept.is_dir()
    deleted = manage.delete("copy")
    assert kept.is_dir()
    manage.purge([deleted])
    assert not kept.exists()


def test_a_session_purges_only_what_it_deleted(models):
    manage.duplicate("tiny", "second")
    manage.delete("tiny", "aaaa")
    manage.delete("second", "bbbb")
    manage.purge_session("aaaa")
    assert [entry.id for entry in trash.list_restorable()] == ["second"]


def test_the_latest_of_a_name_is_restored_and_never_over_another(models):
    manage.duplicate("tiny", "kept")
    for note in ("first", "second"):
        manage.annotate("tiny", note=note)
        manage.delete("tiny")
        manage.duplicate("kept", "tiny")
    with pytest.raises(ModelError, match="in use"):
        manage.restore("tiny")
    assert manage.restore("tiny", "back") == "back"
    assert repository.load("back").note == "second"


def aged(entry: trash.DeletedModel, age: timedelta) -> Path:
    """Make a deletion older than it is."""
    old = datetime.now(UTC) - age
    name = f"{entry.path.name.split('.2')[0]}.{old:{trash._TIME_FORMAT}}.{entry.session}"
    return entry.path.rename(entry.path.with_name(name))


def test_what_a_killed_server_left_is_purged_after_a_day(models):
    manage.duplicate("tiny", "second")
    recent = manage.delete("second", "aaaa")
    aged(manage.delete("tiny", "aaaa"), timedelta(hours=25))
    assert manage.purge_expired() > 0
    assert trash.list_restorable() == [recent]
    with pytest.raises(ModelError, match="purged"):
        repository.load("tiny")
    aged(next(entry for entry in trash.list_deleted() if entry.is_purged), timedelta(days=31))
    manage.purge_expired()
    assert [entry.id for entry in trash.list_deleted()] == ["second"]
    assert manage.purge_expired() == 0


def test_an_interrupted_purge_is_finished_and_never_restored(models):
    entry = manage.delete("tiny")
    half = entry.path.rename(entry.path.with_name(entry.path.name.replace(".trash", ".freed")))
    (half / "model.keras").unlink()
    assert trash.list_restorable() == [] and ids() == []
    assert manage.purge_expired() > 0
    assert size_of(models) == 0


def test_what_is_no_model_can_be_deleted_too(models, tmp_path):
    (models / "Not A.Name").mkdir()
    (models / "Not A.Name" / "x").write_text("x")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("x")
    (models / "link").symlink_to(outside)
    for name in ("Not A.Name", "link"):
        manage.delete(name)
        assert manage.restore(name) == name
        manage.purge([manage.delete(name)])
    assert (outside / "x").read_text() == "x"
    assert ids() == ["tiny"]


@pytest.mark.parametrize("name", ["../models", ".", "..", "", ".lock", "nothing", "/"])
def test_nothing_else_can_be_deleted(models, name):
    with pytest.raises(ModelError, match="no saved model"):
        manage.delete(name)
    assert ids() == ["tiny"]


# --- a full disk -----------------------------------------------------------------------


def test_a_full_disk_changes_nothing_and_can_be_emptied_by_a_purge(
    saved_model, tmp_path, monkeypatch
):
    home = tmp_path / "home"
    home.mkdir()
    size = 3 * saved_model.size
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(home)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        monkeypatch.setenv("SPINEFRAC_HOME", str(home))
        shutil.copytree(saved_model.path, home / "models" / "tiny")
        manage.annotate("tiny", note="before")
        manage.set_default("tiny")
        before = repository.load("tiny")
        with (home / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
            while True:
                filler.write(b"x" * 4096)
        for change in (
            lambda: manage.rename("tiny", "other"),
            lambda: manage.annotate("tiny", note="x" * 1000),
            lambda: manage.duplicate("tiny", "copy"),
            lambda: manage.set_default("tiny"),
        ):
            with pytest.raises(ModelError, match="make room"):
                change()
            assert repository.load("tiny") == before and repository.get_default_id() == "tiny"
            assert sorted(path.name for path in (home / "models").iterdir()) == [
                ".lock",
                "default.txt",
                "tiny",
            ]
        manage.purge([manage.delete("tiny")])
        assert shutil.disk_usage(home).free > before.size / 2
    finally:
        subprocess.run(["umount", str(home)], check=True)


# --- while others use the model --------------------------------------------------------


def slices(count: int, change):
    """Slices to predict; `change` happens after half of them."""
    grey = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.float32)
    for index in range(count):
        if index == count // 2:
            change()
        yield CtSlice(grey, calibrated=False, format="png")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: manage.delete("tiny"), "was deleted at .* restore"),
        (lambda: manage.purge([manage.delete("tiny")]), "was deleted at .* and purged"),
        (lambda: manage.rename("tiny", "other"), "is now named other"),
    ],
)
def test_predictions_end_well_and_the_next_ones_say_what_happened(models, change, said):
    opened = predictor.get_predictor("tiny")
    expected = [
        prediction.probability for prediction in opened.predict_many(slices(40, lambda: None))
    ]
    during = [prediction.probability for prediction in opened.predict_many(slices(40, change))]
    assert during == expected and len(during) == 40
    for again in (
        lambda: predictor.get_predictor("tiny"),
        lambda: predictor.Predictor(opened.model),
        lambda: opened.model.load_out_of_fold(),
    ):
        with pytest.raises(ModelError, match=said):
            again()


def test_a_model_renamed_while_it_is_listed_is_no_damage(models, monkeypatch):
    verify = repository.verify_file

    def verify_while_renamed(folder, name, record):
        if name == "oof.csv" and folder.name == "tiny":
            folder.rename(folder.with_name("moved"))
        verify(folder, name, record)

    monkeypatch.setattr(repository, "verify_file", verify_while_renamed)
    assert repository.list_models() == []
    assert ids() == ["moved"]
    assert not [m for m in repository.list_models() if isinstance(m, DamagedModel)]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_no_right_to_write_is_said(models):
    models.chmod(0o500)
    try:
        with pytest.raises(ModelError, match="permit writing"):
            manage.delete("tiny")
    finally:
        models.chmod(0o700)


def test_the_lock_is_waited_for_and_then_given_up(models, monkeypatch):
    patient = manage.lock.models_lock
    monkeypatch.setattr(manage.lock, "models_lock", lambda: patient(timeout_s=0.2))
    hold = (
        "import sys\nfrom spinefrac.system import lock\n"
        "with lock.models_lock():\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ModelError, match="Another process"):
            manage.annotate("tiny", note="x")
        assert repository.load("tiny").note == "made by a test"  # readers do not wait
        holder.kill()
    assert manage.annotate("tiny", note="x").note == "x"
