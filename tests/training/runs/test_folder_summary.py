"""What a folder holds, with its slices read or only listed."""

from spinefrac.training import runs
from spinefrac.training.runner.journal import RunJournal
from tests.support.runs import submit


def test_some_unreadable_files_are_left_out_and_told(folder, quick):
    (folder / "normal/P00_1.png").write_bytes(b"no picture")
    assert submit(folder, quick).images == 47
    ((path, reason),) = runs.summarize_folder(folder).unreadable
    assert path == "normal/P00_1.png" and reason


def test_a_server_submits_without_opening_a_slice(folder, quick):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"never looked at")
    run = submit(folder, quick, list_only=True)
    assert (run.images, run.groups, run.fingerprint) == (48, 0, "")
    journal = RunJournal(run.id, 1)
    journal.record_dataset("f" * 64, 47, 12)  # as the runner does, once it knows
    journal.flush(force=True)
    run = runs.get_run(run.id)
    assert (run.images, run.groups, run.fingerprint) == (47, 12, "f" * 64)
