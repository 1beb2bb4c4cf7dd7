"""The page Models run as Streamlit runs it: the shelf, a model's card, and what can be done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from spinefrac import settings
from spinefrac.store import manage, repository, trash
from tests.support import app as pages

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with the demonstration, a tagged copy and an archived one."""
    source = settings.models_dir() / "phantom-demo"
    if not source.is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    shutil.copytree(source, tmp_path / "models" / "phantom-demo")
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)
    manage.duplicate("phantom-demo", "second")
    manage.annotate("second", note="A <b>note</b>", tags=["paper"])
    manage.duplicate("phantom-demo", "old")
    manage.annotate("old", archived=True)
    yield tmp_path


def page(model: str | None = None, name: str = "models") -> AppTest:
    app = pages.page(name)
    if model:
        app.query_params["model"] = model
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def shown(app: AppTest) -> list[str]:
    """Names of the models in a line, in their order."""
    return [button.key.removeprefix("open-") for button in app.button if button.label == "Open"]


def test_every_model_is_in_a_line_with_what_is_known_of_it(home: Path) -> None:
    app = page()
    assert shown(app) == ["phantom-demo", "second"]
    told, model = html(app), repository.load("phantom-demo")
    low, high = model.metrics.ci["auc"]
    for part in (
        "default",
        f"({low:.2f} to {high:.2f})",
        model.card.created[:10],
        f"{model.data.images:,} slices, {model.data.groups:,} groups",
        f"audit: {model.card.audit_verdict}",
        f"{model.size / 1e6:.1f} MB",
        model.data.group_rule,
        "A &lt;b&gt;note&lt;/b&gt;",
        "paper",
    ):
        assert part in told, part


def test_the_shelf_is_filtered_and_sorted(home: Path) -> None:
    app = page()
    checked(app.toggle(key="models-archived").set_value(True).run())
    assert shown(app) == ["old", "phantom-demo", "second"]
    checked(app.text_input(key="models-search").set_value("NOTE paper").run())
    assert shown(app) == ["second"]
    checked(app.text_input(key="models-search").set_value("nothing of that").run())
    assert shown(app) == [] and "No matching models" in app.info[0].value
    checked(app.text_input(key="models-search").set_value("").run())
    checked(app.multiselect(key="models-tags").set_value(["paper"]).run())
    assert shown(app) == ["second"]
    checked(app.multiselect(key="models-tags").set_value([]).run())
    for order in ("Newest", "Highest AUC", "Largest"):
        checked(app.selectbox(key="models-sort").set_value(order).run())
        assert sorted(shown(app)) == ["old", "phantom-demo", "second"]


def test_what_cannot_be_used_never_breaks_the_page_and_can_be_deleted(home: Path) -> None:
    models = home / "models"
    (models / "Neuer Ordner").mkdir()
    (models / "second" / "slip.json").write_text("{}")
    (models / "file").write_text("no folder")
    app = page()
    assert shown(app) == ["phantom-demo"]
    told = html(app)
    assert "slip.json does not match" in told and "choose another name" in told
    checked(app.button(key="delete-Neuer Ordner").click().run())
    app.button(key="delete-Neuer Ordner").click()
    checked(app.button(key="confirm-delete").click().run())
    assert not (models / "Neuer Ordner").exists()
    page("second"), page("nothing"), page("../..")


def test_a_card_is_a_page(home: Path) -> None:
    app = page("second")
    text = "\n".join(element.value for element in app.markdown)
    assert "## Out-of-Scope Use" in text.replace("###", "##") and "| AUC |" in text
    assert "Performance of the model" in html(app)


def dialog(app: AppTest, opener: str) -> None:
    """Open a dialog."""
    checked(button(app, opener).click().run())


def button(app: AppTest, label: str) -> Button:
    return next(b for b in app.button if b.label == label)


def confirm(app: AppTest, opener: str, key: str) -> AppTest:
    """Confirm in an open dialog. A test reruns the page, not the dialog alone: it opens again."""
    button(app, opener).click()
    return checked(app.button(key=key).click().run())


def test_rename_and_duplicate(home: Path) -> None:
    app = page("second")
    dialog(app, "Rename")
    app.text_input(key="rename-name").set_value("third")
    confirm(app, "Rename", "confirm-rename")
    assert repository.load("third").note == "A <b>note</b>"
    assert app.query_params["model"] == "third"


def test_a_name_in_use_is_said_in_the_dialog(home: Path) -> None:
    app = page("second")
    dialog(app, "Duplicate")
    app.text_input(key="duplicate-name").set_value("phantom-demo")
    confirm(app, "Duplicate", "confirm-duplicate")
    assert "in use" in app.error[0].value


def test_deleting_asks_once_and_can_be_undone(home: Path) -> None:
    app = page("second")
    dialog(app, "Delete")
    assert repository.load("second")
    confirm(app, "Delete", "confirm-delete")
    assert "second" not in [model.id for model in repository.list_models()]
    assert "model" not in app.query_params
    checked(next(b for b in app.button if b.label == "Restore").click().run())
    assert repository.load("second").tags == ("paper",)


def test_space_is_freed_on_demand_and_when_the_session_has_ended(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page("second")
    dialog(app, "Delete")
    confirm(app, "Delete", "confirm-delete")
    checked(next(b for b in app.button if b.label == "Delete permanently").click().run())
    assert trash.list_restorable() == []
    app = page("old")
    dialog(app, "Delete")
    confirm(app, "Delete", "confirm-delete")
    assert len(trash.list_restorable()) == 1
    from spinefrac.ui.models import undo

    monkeypatch.setattr(undo, "RECONNECT_GRACE_S", 0.01)
    name = trash.list_restorable()[0].session
    undo._schedule_purge(name)
    undo._purge_timers[name].join(timeout=30)
    assert trash.list_restorable() == []


def test_default_and_archive(home: Path) -> None:
    app = page("second")
    checked(next(b for b in app.button if b.label == "Set as default").click().run())
    assert repository.get_default_id() == "second"
    next(b for b in app.button if b.label == "Archive").click().run()
    assert "is the default model" in app.error[0].value.replace("\\", "")
    checked(next(b for b in page("old").button if b.label == "Unarchive").click().run())
    assert not repository.load("old").archived


def test_archived_models_are_no_choice_elsewhere(home: Path) -> None:
    options = page(name="predict").selectbox(key="model").options
    assert [option.split(" · ")[0] for option in options] == ["phantom-demo", "second"]


def test_a_session_hears_that_its_model_is_gone(home: Path) -> None:
    app = page(name="predict")
    checked(app.selectbox(key="model").select_index(1).run())
    manage.delete("second")
    checked(app.run())
    assert "second was deleted" in app.warning[0].value.replace("\\", "")
    assert "Another model is selected" in app.warning[0].value


def test_imports_need_the_servers_leave(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page()
    assert not app.file_uploader and any("models import" in code.value for code in app.code)
    monkeypatch.setenv("SPINEFRAC_ALLOW_IMPORT", "on")
    app = page()
    app.file_uploader[0].upload("../../x.keras", b"no keras file", "").run()
    checked(next(b for b in app.button if b.label == "Import").click().run())
    assert app.error and "Traceback" not in app.error[0].value
    assert sorted(m.id for m in repository.list_models()) == ["old", "phantom-demo", "second"]


def test_a_run_cannot_start_outside_the_roots(home: Path) -> None:
    app = page("second")
    checked(app.segmented_control[0].set_value("Fine-tune").run())
    app.text_input[0].set_value("/etc")
    checked(next(b for b in app.button if b.label == "Start training").click().run())
    assert app.error
