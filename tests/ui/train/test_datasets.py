"""Data sets from the browser: upload, share, rename, delete, and what others see of them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.access import audit_log, datasets, users
from spinefrac.access.policy import LOCAL, Identity, Role
from spinefrac.training import runs
from spinefrac.ui.train import datasets as view
from tests.support.app import click_disabled, html, page, sign_in

pytestmark = pytest.mark.usefixtures("from_checkout")
SAMPLES = Path(__file__).resolve().parents[3] / "spinefrac" / "ui" / "samples"


def make_zip(top: str = "set") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for label in ("fracture", "normal"):
            for path in sorted(SAMPLES.glob(f"{label}-*.*")):
                archive.write(path, f"{top}/{label}/{path.name}")
    return out.getvalue()


@pytest.fixture
def team(empty_home: Path) -> Path:
    """Two trainers, a viewer and an admin."""
    for name, role in (("kim", "trainer"), ("lee", "trainer"), ("vic", "viewer"), ("ada", "admin")):
        users.add(name, Role(role))
    return empty_home


def open_as(name: str) -> AppTest:
    app = sign_in(page("train"), name)
    app.session_state["train"] = "New run"
    app.session_state["train-way"] = "upload"
    app.run()
    assert not app.exception
    return app


def upload(app: AppTest, name: str = "spines") -> AppTest:
    app.file_uploader[0].upload("set.zip", make_zip(), "application/zip").run()
    app.text_input(key="dataset-name").input(name)
    app.button(key="dataset-save").click().run()
    assert not app.exception
    return app


def confirm(app: AppTest, opener: str) -> None:
    """Confirm in an open dialog. A test reruns the page, not the dialog alone: it opens again."""
    app.button(key=opener).click()
    app.button(key=f"confirm-{opener}").click().run()
    assert not app.exception


def test_an_upload_is_saved_chosen_and_described(team: Path) -> None:
    app = upload(open_as("kim"))
    assert not app.error
    (made,) = datasets.list_datasets(Identity("kim", Role.TRAINER))
    assert (made.name, made.owner, made.files, made.shared) == ("spines", "kim", 6, False)
    assert app.selectbox(key="train-folder").value == f"spines · {made.id}"
    assert "6 files" in "".join(block.value for block in app.markdown)
    assert "Slices" in html(app)  # what is in it
    entry = audit_log.list_entries(1)[0]
    assert (entry.action, entry.subject) == ("add-dataset", made.id)


def test_others_do_not_see_it_until_it_is_shared(team: Path) -> None:
    app = upload(open_as("kim"))
    option = app.selectbox(key="train-folder").value
    assert option not in open_as("lee").selectbox(key="train-folder").options
    app.button(key="dataset-share").click().run()
    assert not app.exception and "shared with all trainers" in "".join(
        m.value for m in app.markdown
    )
    others = open_as("lee")
    assert option in others.selectbox(key="train-folder").options
    others.selectbox(key="train-folder").select(option).run()
    for key in ("dataset-share", "dataset-delete"):
        button = others.button(key=key)
        assert button.disabled and "of your own only" in button.help
    click_disabled(others.button(key="dataset-share"))
    assert datasets.get(LOCAL, option.split(" · ")[1]).shared


def test_a_viewer_sees_runs_and_no_upload(team: Path) -> None:
    app = open_as("vic")
    assert not app.file_uploader and not app.selectbox and "All runs" in app.header[0].value


def test_a_wrong_zip_is_one_line(team: Path) -> None:
    app = open_as("kim")
    app.file_uploader[0].upload("set.zip", b"no zip", "application/zip").run()
    app.text_input(key="dataset-name").input("x")
    app.button(key="dataset-save").click().run()
    assert not app.exception and len(app.error) == 1
    assert datasets.list_datasets(LOCAL) == []


def test_what_a_run_needs_is_not_deleted(team: Path) -> None:
    app = upload(open_as("kim"))
    (made,) = datasets.list_datasets(LOCAL)
    run = runs.submit(
        runs.RunRequest(made.folder, "m", roots=datasets.list_roots(LOCAL), list_only=True),
        start_runner=False,
    )
    app.button(key="dataset-delete").click().run()
    confirm(app, "dataset-delete")
    assert "needs this data set" in app.error[0].value and made.folder.is_dir()
    runs.cancel(run.id)
    confirm(app, "dataset-delete")
    assert not made.folder.exists() and datasets.list_datasets(LOCAL) == []


def test_it_is_renamed(team: Path) -> None:
    app = upload(open_as("kim"))
    app.button(key="dataset-rename").click().run()
    app.text_input(key="dataset-new-name").input("backs")
    confirm(app, "dataset-rename")
    assert app.selectbox(key="train-folder").value.startswith("backs · ")


def test_what_is_known_is_one_line() -> None:
    made = datasets.Dataset("a", "b", "kim", True, True, "2026-03-01T00:00:00+00:00", 1, 2_000_000)
    assert view.describe(made) == (
        "Uploaded by kim on 2026-03-01 · 1 file, 2.0 MB · shared with all trainers · "
        "de-identified on arrival"
    )
