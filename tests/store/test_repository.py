"""Finding, verifying and reading saved models."""

import os
import shutil

import pytest

from spinefrac.errors import ModelError
from spinefrac.store import repository
from spinefrac.store.repository import DamagedModel, SavedModel
from tests.support.odd_models import make_odd_models


@pytest.fixture
def copy(saved_model, tmp_path, monkeypatch):
    """A home with one model that a test may spoil."""
    shutil.copytree(saved_model.path, tmp_path / "models" / "tiny")
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path / "models" / "tiny"


FILES = ["model.keras", "serving.onnx", "oof.csv", "history.csv", "card.json"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.37, 0.999])
def test_a_flipped_bit_is_found_and_named(copy, name, share):
    assert repository.load("tiny")
    path = copy / name
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 4
    before = path.stat()
    path.write_bytes(content)
    # Also where the file's time says that nothing happened.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ModelError, match=f"Model tiny: .*{name}"):
        repository.load("tiny")
    [damaged] = repository.list_models()
    assert isinstance(damaged, DamagedModel) and name in damaged.reason


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_shortened_file_is_named(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-1])
    with pytest.raises(ModelError, match=name):
        repository.load("tiny")
    (copy / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        repository.load("tiny")


def test_a_file_is_hashed_once_a_process(copy, monkeypatch):
    repository.load("tiny")
    hashed = []
    digest = repository.hashlib.file_digest

    def counted(file, kind):
        hashed.append(file.name)
        return digest(file, kind)

    monkeypatch.setattr(repository.hashlib, "file_digest", counted)
    repository.load("tiny")
    assert hashed == []
    (copy / "oof.csv").touch()
    repository.load("tiny")
    assert hashed == [str(copy / "oof.csv")]


def test_other_folders_are_listed_with_the_reason(copy):
    models = copy.parent
    (models / "empty").mkdir()
    (models / "Not A Name").mkdir()
    (models / ".tmp-half-01").mkdir()
    (models / "default.txt").write_text("tiny\n")
    (models / "newer").mkdir()
    (models / "newer" / "card.json").write_text('{"schema_version": 99}')
    (models / "link").symlink_to(models / "nowhere")
    listed = {entry.id: entry for entry in repository.list_models()}
    assert sorted(listed) == ["Not A Name", "empty", "newer", "tiny"]
    assert isinstance(listed["tiny"], SavedModel)
    assert "card.json is missing" in listed["empty"].reason
    assert "update spinefrac" in listed["newer"].reason
    assert "choose another name" in listed["Not A Name"].reason


def test_a_model_that_does_not_exist_names_those_that_do(copy):
    with pytest.raises(ModelError, match=r"named other \(saved: tiny\)"):
        repository.load("other")


@pytest.mark.parametrize("name", ["../tiny", "/etc", "", "tiny/../tiny"])
def test_a_name_cannot_leave_the_folder(copy, name):
    with pytest.raises(ModelError, match="choose another name"):
        repository.load(name)


def test_the_default(copy, tmp_path):
    models = copy.parent
    assert repository.get_default_id() == "tiny"  # the only, hence the newest
    shutil.copytree(copy, models / "phantom-demo")
    assert repository.get_default_id() == "phantom-demo"
    (models / "default.txt").write_text("tiny\n")
    assert repository.get_default_id() == "tiny"
    shutil.rmtree(copy)
    with pytest.raises(ModelError, match="default model tiny does not exist"):
        repository.get_default_id()


def test_no_model_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    assert repository.list_models() == []
    with pytest.raises(ModelError, match="no saved model yet"):
        repository.get_default_id()


def test_whatever_stands_among_the_models_is_at_worst_a_damaged_one(small, tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    shutil.copytree(small.path, tmp_path / "models" / "whole")
    odd = make_odd_models(tmp_path / "models", small.path)
    assert len(odd) >= 100
    found = repository.list_models()
    damaged = [model for model in found if isinstance(model, DamagedModel)]
    assert [model.id for model in found if isinstance(model, SavedModel)] == ["whole"]
    assert sorted(model.path.name for model in damaged) == odd
    for model in damaged:
        assert model.id.isprintable() and model.reason.isprintable() and len(model.id) <= 80
        assert model.reason.startswith(("Model ", "A model's name is"))
    assert repository.get_default_id() == "whole"


@pytest.mark.parametrize("content", [b"x" * 5000, b"\xff", b"../x", b""])
def test_a_damaged_choice_of_the_default_is_one_line(copy, content):
    (copy.parent / "default.txt").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        repository.get_default_id()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["oof.csv", "history.csv"])
@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"path\n" + b"x" * 200_000 + b"\n", b"\0"])
def test_a_signed_table_of_other_columns_is_one_line(copy, name, content):
    """A model that was imported may hold any table: its hash is right all the same."""
    model = repository.load("tiny")
    (copy / name).write_bytes(content)
    load = model.load_out_of_fold if name == "oof.csv" else model.load_history
    if name == "history.csv" and content in (b"", b"\0"):
        assert load() == ()  # a table without rows
        return
    with pytest.raises(ModelError, match=name):
        load()
