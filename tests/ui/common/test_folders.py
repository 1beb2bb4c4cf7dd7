"""Folders that a person may choose on the pages."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.access import datasets, users
from spinefrac.access.policy import Identity, Role
from spinefrac.access.users import Kind
from spinefrac.imaging.collect import file_from_bytes
from spinefrac.ui.common import visitor

SAMPLES = Path(__file__).resolve().parents[3] / "spinefrac" / "ui" / "samples"
SCRIPT = """
import streamlit as st
from spinefrac.errors import SpinefracError
from spinefrac.ui.common import folders
st.session_state["options"] = folders.list_options()
for text in st.session_state["asked"]:
    try:
        folder = folders.resolve(text)
        st.text(f"{folders.display(folder)}|{folder}")
    except SpinefracError as error:
        st.error(str(error))
"""


def add(name: str, owner: str) -> datasets.Dataset:
    files = [
        file_from_bytes("fracture/a.dcm", (SAMPLES / "fracture-1.dcm").read_bytes()),
        file_from_bytes("normal/b.dcm", (SAMPLES / "normal-2.dcm").read_bytes()),
    ]
    return datasets.add(Identity(owner, Role.TRAINER), name, files).dataset


@pytest.fixture
def signed_in(empty_home: Path, from_checkout: None) -> AppTest:
    users.add("kim", Role.TRAINER)
    app = AppTest.from_string(SCRIPT)
    app.session_state[visitor.TOKEN_KEY] = users.issue("kim", Kind.SESSION)
    return app


def test_own_data_sets_and_folders_of_the_server_are_offered(
    signed_in: AppTest, empty_home: Path
) -> None:
    own, others = add("mine", "kim"), add("theirs", "lee")
    for label in ("fracture", "normal"):
        (empty_home / "data" / "slices" / label).mkdir(parents=True)
    signed_in.session_state["asked"] = [f"mine · {own.id}", "slices"]
    signed_in.run()
    assert signed_in.session_state["options"] == [f"mine · {own.id}", "data/slices"]
    assert [text.value.split("|")[0] for text in signed_in.text] == [
        f"mine · {own.id}",
        "data/slices",
    ]
    assert others.folder.is_dir()


def test_what_others_uploaded_is_refused_by_any_name(signed_in: AppTest) -> None:
    others = add("theirs", "lee")
    signed_in.session_state["asked"] = [
        f"theirs · {others.id}",
        str(others.folder),
        f"uploads/{others.id}/slices",
        "data",
    ]
    signed_in.run()
    assert not signed_in.text and len(signed_in.error) == 4
