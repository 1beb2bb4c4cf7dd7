"""Names of deleted models' folders, and what they say."""

from datetime import UTC, datetime, timedelta

import pytest

from spinefrac.store import trash


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_a_name_holds_model_time_and_session(models):
    before = datetime.now(UTC)
    path = trash.trash_path(models / "first", "cafe0123")
    path.mkdir()
    [entry] = trash.list_deleted()
    assert (entry.id, entry.session, entry.path) == ("first", "cafe0123", path)
    assert before <= entry.deleted_at <= datetime.now(UTC)
    assert timedelta(0) <= entry.age < timedelta(minutes=1) and not entry.is_purged


def test_the_latest_deletion_comes_first_and_purged_ones_are_no_longer_restorable(models):
    for name in (
        ".trash-a.20260301T091500000000.cli",
        ".trash-b.20260302T091500000000.cli",
        ".freed-c.20260303T091500000000.cli",
    ):
        (models / name).mkdir()
    assert [entry.id for entry in trash.list_deleted()] == ["c", "b", "a"]
    assert [entry.id for entry in trash.list_restorable()] == ["b", "a"]


@pytest.mark.parametrize(
    "name", ["first", ".lock", ".tmp-a-01", ".trash-a", ".trash-a.20260301T091500.cli"]
)
def test_other_names_are_no_deleted_models(models, name):
    (models / name).mkdir()
    assert trash.list_deleted() == []


def test_the_notice_says_when_and_what_to_do(models):
    (models / ".trash-a.20260301T091500000000.cli").mkdir()
    (models / ".freed-b.20260301T091500000000.cli").mkdir()
    assert trash.deletion_notice("a") == (
        "The model a was deleted at 2026-03-01 09:15 UTC: choose another one, or restore it with "
        "`spinefrac models restore`"
    )
    assert trash.deletion_notice("b") == (
        "The model b was deleted at 2026-03-01 09:15 UTC and purged: choose another one"
    )
    assert trash.deletion_notice("c") is None


def test_without_a_folder_of_models_nothing_was_deleted(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "nowhere"))
    assert trash.list_deleted() == [] and trash.deletion_notice("a") is None


def test_sessions_have_different_names():
    assert len({trash.new_session_id() for _ in range(100)}) == 100
