"""`spinefrac models`: the shelf from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from spinefrac import settings
from spinefrac.cli import main
from spinefrac.store import repository, trash

LIST_KEYS = {
    *("id", "note", "tags", "archived", "card_sha256", "default", "created", "trained_by"),
    *("parent", "network", "origin", "images", "groups", "group_rule", "audit_verdict", "auc"),
    *("auc_ci", "threshold", "size"),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    source = settings.models_dir() / "phantom-demo"
    if not source.is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    shutil.copytree(source, tmp_path / "models" / "phantom-demo")
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]):
    """Run a command; return its status, its JSON or text, and what it said beside."""

    def command(*arguments: str):
        status = main(["models", *arguments])
        out, err = capsys.readouterr()
        return status, json.loads(out) if "--json" in arguments else out, err

    return command


def test_the_life_of_a_model(run) -> None:
    assert run("duplicate", "phantom-demo", "first", "--json")[1]["id"] == "first"
    assert run("tag", "first", "b", "A", "--json")[1]["tags"] == ["A", "b"]
    assert run("tag", "first", "B", "--remove", "--json")[1]["tags"] == ["A"]
    assert run("note", "first", "mine", "--json")[1]["note"] == "mine"
    assert run("rename", "first", "second", "--json")[1]["id"] == "second"
    assert run("default", "second", "--json")[1]["default"] is True
    listed = run("list", "--json")[1]
    assert [entry["id"] for entry in listed] == ["phantom-demo", "second"]
    assert all(set(entry) == LIST_KEYS for entry in listed)
    assert [entry["id"] for entry in run("list", "--tag", "a", "--json")[1]] == ["second"]
    assert run("archive", "phantom-demo", "--json")[1]["archived"] is True
    assert [entry["id"] for entry in run("list", "--json")[1]] == ["second"]
    assert len(run("list", "--all", "--sort", "auc", "--json")[1]) == 2
    shown = run("show", "second", "--json")[1]
    assert (shown["id"], shown["note"], shown["tags"]) == ("second", "mine", ["A"])
    assert run("show", "second", "--card")[1].startswith("---\n")


def test_deleting_and_coming_back(run) -> None:
    run("duplicate", "phantom-demo", "first")
    status, _, said = run("delete", "first")
    assert status == 2 and "--yes" in said and repository.load("first")
    assert run("delete", "first", "--yes", "--json")[1]["bytes_freed"] == 0
    assert run("restore", "--json")[1][0]["id"] == "first"
    assert run("restore", "first", "--as", "back", "--json")[1] == {"id": "back"}
    assert run("delete", "back", "--yes", "--now", "--json")[1]["bytes_freed"] > 1e6
    run("duplicate", "phantom-demo", "first")
    run("delete", "first", "--yes")
    freed = run("free", "--yes", "--json")[1]
    assert freed["models"] == ["first"] and freed["bytes_freed"] > 1e6
    assert trash.list_restorable() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("rename", "phantom-demo", "../x"),
        ("rename", "nothing", "other"),
        ("duplicate", "phantom-demo", "phantom-demo"),
        ("tag", "phantom-demo", "a,b"),
        ("delete", "../models", "--yes"),
        ("restore", "phantom-demo"),
        ("default", "nothing"),
    ],
)
def test_what_does_not_work_is_one_line(run, arguments: tuple[str, ...]) -> None:
    status, out, said = run(*arguments)
    assert status == 1 and not out
    assert said.startswith("error: ") and said.count("\n") == 1
    assert [model.id for model in repository.list_models()] == ["phantom-demo"]
