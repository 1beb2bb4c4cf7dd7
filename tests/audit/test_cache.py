"""Saved results: found for the unchanged folder only."""

import json
import os

import pytest

from spinefrac.audit import cache
from spinefrac.data import group_overrides
from spinefrac.errors import DatasetError
from tests.audit.test_report import make_audit


@pytest.fixture
def folder(tmp_path):
    for name in ("fracture/P1_1.png", "normal/P2_1.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"pixels")
    return tmp_path / "set"


def test_a_result_is_found_by_its_listing(folder):
    key = cache.hash_listing(folder, "auto")
    assert cache.find_by_listing(key) is None
    audit = make_audit()
    cache.save_result(audit, "stamp", b"path,label,patient\n")
    cache.save_listing(key, audit)
    assert cache.find_by_listing(cache.hash_listing(folder, "auto")) == audit
    assert cache.read_groups_csv(audit) == b"path,label,patient\n"
    cache.delete_listing(key)
    assert cache.find_by_listing(key) is None
    assert cache.find_by_stamp("ab", "stamp") == audit


def test_the_listing_changes_with_files_rule_and_corrected_groups(folder):
    keys = [cache.hash_listing(folder, "auto"), cache.hash_listing(folder, "file")]
    group_overrides.save_overrides(folder, b"path,patient\nfracture/P1_1.png,Q\n")
    keys.append(cache.hash_listing(folder, "auto"))
    assert cache.hash_listing(folder, "file") == keys[1]
    os.utime(folder / "normal/P2_1.png", (1, 1))
    keys += [cache.hash_listing(folder, "auto"), cache.hash_listing(folder, "file")]
    assert len(set(keys)) == 5


def test_a_folder_that_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        cache.hash_listing(tmp_path / "absent", "auto")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"stamp": "stamp", "audit": {"images": 1}}'])
def test_a_damaged_result_is_none(content):
    cache.cache_dir().mkdir(parents=True)
    (cache.cache_dir() / "ab.json").write_text(content)
    assert cache.find_by_stamp("ab", "stamp") is None


def test_a_result_of_other_contents_is_none():
    cache.save_result(make_audit(), "stamp", b"")
    assert cache.find_by_stamp("ab", "another") is None
    assert json.loads((cache.cache_dir() / "ab.json").read_text())["stamp"] == "stamp"
