"""Pictures of training slices: for those who may see the data set, while the file is the same."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.access import datasets, users
from spinefrac.access.policy import Identity, Role
from spinefrac.access.users import Kind
from spinefrac.data.scan import hash_pixels
from spinefrac.imaging import read
from spinefrac.imaging.collect import file_from_bytes
from spinefrac.store.training_slices import TrainingSlice
from spinefrac.ui.common import visitor
from spinefrac.ui.predict import training_pictures

SAMPLE = Path(__file__).resolve().parents[3] / "spinefrac" / "ui" / "samples" / "fracture-1.dcm"
PATH = "fracture/a.dcm"
SCRIPT = """
from types import SimpleNamespace
import streamlit as st
from spinefrac.records import NearestSlice
from spinefrac.ui.predict import training_pictures
nearest = (NearestSlice(1, 1, 0.5, 0.5), NearestSlice(2, 0, 0.5, 0.5))
model = SimpleNamespace(id="any", card_hash="0" * 64)
st.session_state["pictures"] = training_pictures.load_pictures(model, nearest)
"""


@pytest.fixture
def shown(empty_home, from_checkout, monkeypatch):
    """Return what somebody of a role sees of a data set that Kim uploaded."""
    other = SAMPLE.with_name("normal-2.dcm").read_bytes()
    files = [file_from_bytes(PATH, SAMPLE.read_bytes()), file_from_bytes("normal/b.dcm", other)]
    dataset = datasets.add(Identity("kim", Role.TRAINER), "set", files).dataset
    known = TrainingSlice(PATH, hash_pixels(read(dataset.folder / PATH)))
    monkeypatch.setattr(training_pictures, "_find_slices", lambda *_: [known, None])

    def look(name: str, role: Role) -> list[str]:
        users.add(name, role)
        app = AppTest.from_string(SCRIPT)
        app.session_state[visitor.TOKEN_KEY] = users.issue(name, Kind.SESSION)
        app.run()
        assert not app.exception
        return app.session_state["pictures"]

    look.dataset = dataset
    return look


def test_the_owner_sees_the_slice_that_is_known(shown) -> None:
    first, second = shown("kim", Role.TRAINER)
    assert first.startswith("data:image/jpeg;base64,") and second == ""


@pytest.mark.parametrize(("name", "role"), [("lee", Role.TRAINER), ("max", Role.VIEWER)])
def test_others_see_no_picture_of_a_private_data_set(shown, name, role) -> None:
    assert shown(name, role) == ["", ""]


def test_a_shared_data_set_is_seen_by_trainers_and_not_by_viewers(shown) -> None:
    datasets.change(Identity("kim", Role.TRAINER), shown.dataset.id, shared=True)
    assert shown("lee", Role.TRAINER)[0] and shown("max", Role.VIEWER) == ["", ""]


def test_a_file_that_changed_since_has_no_picture(shown) -> None:
    other = SAMPLE.with_name("normal-2.dcm")
    (shown.dataset.folder / PATH).write_bytes(other.read_bytes())
    assert shown("kim", Role.TRAINER) == ["", ""]


def test_a_file_that_is_gone_has_no_picture(shown) -> None:
    (shown.dataset.folder / PATH).unlink()
    assert shown("kim", Role.TRAINER) == ["", ""]
