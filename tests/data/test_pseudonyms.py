"""Ids of headers become pseudonyms that only this home can make, and nothing else depends on it."""

import hashlib
import stat
import subprocess
import sys

import numpy as np
import pytest

from spinefrac.data import phantom, pseudonyms
from spinefrac.data.pseudonyms import canonicalize_groups, pseudonymize
from spinefrac.data.scan import scan
from spinefrac.data.splits import assign_folds


@pytest.fixture
def home(tmp_path, monkeypatch):
    def at(name: str):
        monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / name))
        return tmp_path / name

    return at


def test_the_key_is_made_once_and_readable_by_its_owner_only(home):
    place = home("one") / "runs" / "pseudonyms.key"
    first = pseudonymize("group", "4711")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600 and place.stat().st_size == 32
    assert [path.name for path in place.parent.iterdir()] == ["pseudonyms.key"]
    code = (
        "from spinefrac.data.pseudonyms import pseudonymize; print(pseudonymize('group', '4711'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == first, "another process of this home agrees"
    assert pseudonymize("series", "4711") != first


def test_without_the_key_an_id_cannot_be_tried_out(home):
    home("one")
    mine = pseudonymize("group", "4711")
    assert mine != hashlib.sha256(b"group 4711").hexdigest()[:8]
    home("two")
    assert pseudonymize("group", "4711") != mine


def test_where_no_key_can_be_kept_one_lasts_for_the_process(home):
    place = home("file")
    place.write_text("no folder")
    assert pseudonymize("group", "4711") == pseudonymize("group", "4711")
    pseudonyms._load_key.cache_clear()


def test_data_sets_and_folds_are_the_same_in_every_home(home, tmp_path):
    phantom.write_phantom(tmp_path / "set", patients=8, slices=2, seed=1, format="dicom", size=256)
    home("one")
    one = scan(tmp_path / "set")
    home("two")
    two = scan(tmp_path / "set")
    assert set(one.groups).isdisjoint(two.groups)
    assert one.fingerprint == two.fingerprint
    folds = [assign_folds(d.labels, d.groups, 2, seed=3) for d in (one, two)]
    np.testing.assert_array_equal(*folds)


def test_other_names_stay_as_they_are():
    assert canonicalize_groups(["P1", "dicom-ab", "P1", "dicom-cd", "dicom-ab"]) == (
        "P1",
        "dicom-000000001",
        "P1",
        "dicom-000000003",
        "dicom-000000001",
    )
