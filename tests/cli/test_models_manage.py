"""`spinefrac models rename|note|tag|duplicate|archive|default|delete|restore|free`."""

from __future__ import annotations

import pytest

from spinefrac.store import repository, trash

pytestmark = pytest.mark.usefixtures("demo_home")


def test_the_life_of_a_model(run_models) -> None:
    assert run_models("duplicate", "phantom-demo", "first", "--json")[1]["id"] == "first"
    assert run_models("tag", "first", "b", "A", "--json")[1]["tags"] == ["A", "b"]
    assert run_models("tag", "first", "B", "--remove", "--json")[1]["tags"] == ["A"]
    assert run_models("note", "first", "mine", "--json")[1]["note"] == "mine"
    assert run_models("rename", "first", "second", "--json")[1]["id"] == "second"
    assert run_models("default", "second", "--json")[1]["default"] is True
    listed = run_models("list", "--json")[1]
    assert [entry["id"] for entry in listed] == ["phantom-demo", "second"]
    assert [entry["id"] for entry in run_models("list", "--tag", "a", "--json")[1]] == ["second"]
    assert run_models("archive", "phantom-demo", "--json")[1]["archived"] is True
    assert [entry["id"] for entry in run_models("list", "--json")[1]] == ["second"]
    assert len(run_models("list", "--all", "--sort", "auc", "--json")[1]) == 2
    shown = run_models("show", "second", "--json")[1]
    assert (shown["id"], shown["note"], shown["tags"]) == ("second", "mine", ["A"])
    assert run_models("show", "second", "--card")[1].startswith("---\n")


def test_deleting_and_coming_back(run_models) -> None:
    run_models("duplicate", "phantom-demo", "first")
    status, _, message = run_models("delete", "first")
    assert status == 2 and "add --yes" in message and repository.load("first")
    assert run_models("delete", "first", "--yes", "--json")[1]["bytes_freed"] == 0
    assert run_models("restore", "--json")[1][0]["id"] == "first"
    assert run_models("restore", "first", "--as", "back", "--json")[1] == {"id": "back"}
    assert run_models("delete", "back", "--yes", "--now", "--json")[1]["bytes_freed"] > 1e6
    run_models("duplicate", "phantom-demo", "first")
    run_models("delete", "first", "--yes")
    freed = run_models("free", "--yes", "--json")[1]
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
def test_what_does_not_work_is_one_line(run_models, arguments: tuple[str, ...]) -> None:
    status, out, said = run_models(*arguments)
    assert status == 1 and not out
    assert said.startswith("error: ") and said.count("\n") == 1
    assert [model.id for model in repository.list_models()] == ["phantom-demo"]


def test_archiving_is_undone(run_models) -> None:
    assert run_models("archive", "phantom-demo")[1] == "phantom-demo is archived\n"
    assert run_models("archive", "phantom-demo", "--undo")[1] == "phantom-demo is unarchived\n"
    assert not repository.load("phantom-demo").archived


def test_people_read_what_happened(run_models) -> None:
    run_models("duplicate", "phantom-demo", "first")
    assert (
        "`spinefrac models restore first` restores it" in run_models("delete", "first", "--yes")[1]
    )
    assert run_models("restore", "first")[1] == "first is restored\n"
    assert run_models("restore")[2] == "there is no deleted model to restore\n"
