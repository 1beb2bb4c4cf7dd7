"""Tables hold numbers; the names are beside the runs, and only for those who have the runs."""

import hashlib
import stat
import sys
from dataclasses import replace

import numpy as np
import pytest

from spinefrac.evaluation.series_pooling import evaluate_series_score
from spinefrac.redaction import Output
from spinefrac.store import slice_names
from tests.support.out_of_fold import FRACTURED, rsna_out_of_fold

COLUMNS = {
    "path": ("fracture/Łucja_10.png", "fracture/Łucja_9.png", "normal/d\udce9,\n.png"),
    "group": ("Łucja", "Łucja", "Ng"),
    "series": ("Łucja", "unknown", "Ng"),
    "scanner": ("maker",) * 3,
}


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


def test_numbers_keep_the_order_and_what_belongs_together():
    numbered = slice_names.number_columns(COLUMNS, Output.EXPORT)
    assert numbered["path"] == ("slice-000002", "slice-000001", "slice-000000")
    assert numbered["group"] == ("group-00001", "group-00001", "group-00000")
    assert numbered["series"] == ("series-00001", "unknown", "series-00000")
    assert numbered["scanner"] == COLUMNS["scanner"]
    assert slice_names.number_columns(numbered, Output.EXPORT) == numbered


def test_names_are_kept_only_where_the_policy_has_the_option():
    assert slice_names.number_columns(COLUMNS, Output.PUSH, keep_names=True) == COLUMNS
    asked = slice_names.number_columns(COLUMNS, Output.OUT_OF_FOLD, keep_names=True)
    assert asked == slice_names.number_columns(COLUMNS, Output.OUT_OF_FOLD)


def test_names_come_back_by_the_hash_of_the_table_until_they_are_deleted(own_home):
    digest = hashlib.sha256(b"a table").hexdigest()
    numbered = slice_names.number_columns(COLUMNS, Output.OUT_OF_FOLD)
    slice_names.save_names(digest, COLUMNS)
    assert slice_names.restore_names(numbered, digest) == COLUMNS
    assert slice_names.restore_names(numbered, "0" * 64) == numbered
    (kept,) = (own_home / "runs" / "names").iterdir()
    if sys.platform != "win32":
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    slice_names.delete_names(digest)
    assert slice_names.restore_names(numbered, digest) == numbered


def test_names_of_another_length_or_damaged_are_not_used(own_home):
    numbered = slice_names.number_columns(COLUMNS, Output.OUT_OF_FOLD)
    slice_names.save_names("a", {"path": ("one",)})
    assert slice_names.restore_names(numbered, "a") == numbered
    (own_home / "runs/names/a.json").write_text("[1, 2")
    assert slice_names.restore_names(numbered, "a") == numbered


def test_slices_of_a_series_in_two_class_folders_keep_their_order():
    paths = [f"{('normal', 'fracture')[n in (9, 10)]}/P1_{n}.png" for n in range(1, 13)]
    numbered = slice_names.number_columns({"path": paths}, Output.EXPORT)["path"]
    assert list(numbered) == sorted(numbered)


@pytest.mark.parametrize("name", ["{p}/{n}.dcm", "{label}/P{p}_{n}.png"])
def test_the_series_score_of_numbers_is_that_of_names(name):
    def path(p, n):
        return name.format(p=p, n=n, label=("normal", "fracture")[p % 2 and n in FRACTURED])

    oof = rsna_out_of_fold(24, name=path)
    named = {"path": oof.paths, "group": oof.groups.tolist()}
    numbered = slice_names.number_columns(named, Output.EXPORT)
    shared = replace(oof, paths=numbered["path"], groups=np.array(numbered["group"]))
    found = evaluate_series_score(shared, n_resamples=0)
    expected = evaluate_series_score(oof, n_resamples=0)
    assert found is not None and expected is not None
    assert found.threshold == expected.threshold and found.metrics.auc == 1.0
    assert found.metrics.brier == pytest.approx(expected.metrics.brier)
