"""A run is prepared once: its slices, folds and audit are found again by the next attempt."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.errors import Cancelled, ChangedDataError, DatasetError
from spinefrac.evaluation.baseline_comparison import BASELINES
from spinefrac.training import runs
from spinefrac.training.runner import pipeline
from spinefrac.training.runner.journal import RunJournal
from tests.support.runs import submit


def test_the_second_attempt_finds_what_the_first_prepared(folder, quick) -> None:
    run = submit(folder, quick)
    place, journal = runs.run_folder(run.id), RunJournal(run.id, 1)
    prepared = pipeline._prepare_workspace(run, place, journal, lambda: False)
    first, dataset = prepared.workspace, prepared.dataset
    for path in folder.rglob("*.png"):
        path.unlink()
    resumed = pipeline._prepare_workspace(run, place, journal, lambda: False)
    again = resumed.workspace
    assert resumed.dataset == dataset and resumed.verdict == prepared.verdict
    assert again.settings == first.settings
    assert resumed.baseline_scores == prepared.baseline_scores
    assert {name: len(s) for name, s in resumed.baseline_scores.items()} == dict.fromkeys(
        BASELINES, 48
    )
    assert np.array_equal(again.inputs, first.inputs) and np.array_equal(again.folds, first.folds)
    assert not set(first.groups[first.folds == 0]) & set(first.groups[first.folds == 1])
    assert not set(first.groups) & set(dataset.groups), "workers of a cluster get numbers"
    log = [line for _, line in runs.get_progress(run.id).log]
    assert pipeline.describe_dataset(dataset) in log and "48 slices" in " ".join(log)


def test_marked_places_are_prepared_and_said_where_they_are_wanted(folder, quick) -> None:
    (folder / "masks").mkdir()
    for path in sorted((folder / "fracture").iterdir())[:3]:
        (folder / "masks" / path.name).write_bytes(path.read_bytes())  # bone, which is not black
    notes: list[str] = []
    for wanted in (False, True):
        run = submit(folder, replace(quick, places=wanted), name=f"places-{wanted}".lower())
        place = runs.run_folder(run.id)
        prepared = pipeline._prepare_workspace(run, place, RunJournal(run.id, 1), lambda: False)
        notes += [note for note in prepared.dataset.notes if note.startswith("The place")]
        found = pipeline._read_prepared(run, place).workspace.places
        assert (found is not None) == wanted
    assert len(found.rows) == 3 and prepared.dataset.labels[found.rows].all()
    (said,) = notes
    assert "marked in 3 of 24 fracture slices (3 by a mask)" in said
    assert said in [line for _, line in runs.get_progress(run.id).log]


def test_a_cancelled_run_leaves_nothing_prepared(folder, quick) -> None:
    run = submit(folder, quick)
    place = runs.run_folder(run.id)
    with pytest.raises(Cancelled, match="while the folder was read"):
        pipeline._prepare_workspace(run, place, RunJournal(run.id, 1), lambda: True)
    assert pipeline._read_prepared(run, place) is None


def test_a_data_folder_that_became_a_link_is_not_followed(folder, quick, tmp_path) -> None:
    run = submit(folder, quick)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="replaced by a link"):
        pipeline._prepare_workspace(
            run, runs.run_folder(run.id), RunJournal(run.id, 1), lambda: False
        )


def test_a_file_that_changes_while_a_run_prepares_ends_the_run(folder, quick) -> None:
    class Journal(RunJournal):
        """Whoever writes to the folder does so once it is scanned."""

        def log(self, message: str) -> None:
            super().log(message)
            path = min((folder / "fracture").iterdir())
            path.write_bytes(max((folder / "fracture").iterdir()).read_bytes())

    run = submit(folder, quick)
    place = runs.run_folder(run.id)
    with pytest.raises(ChangedDataError, match="has other pixels than when the folder was scanned"):
        pipeline._prepare_workspace(run, place, Journal(run.id, 1), lambda: False)
    assert pipeline._read_prepared(run, place) is None


def test_wide_phantoms_are_no_reference_beside_other_slices():
    select = pipeline._select_reference_rows
    assert select(["wide", "narrow", "wide", "narrow"]).tolist() == [1, 3]
    assert select(["wide", "wide"]).tolist() == [0, 1]
    assert select(["", "wide", ""]).tolist() == [0, 2]
