"""`spinefrac train` refuses what it cannot train before a run is queued."""

from pathlib import Path

import pytest

from spinefrac.training import runs


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 2),
        (["{slices}"], 2),
        (["{slices}", "--name", "first", "--epochs", "many"], 2),
        (["{slices}", "--name", "No Name"], 1),
        (["{slices}", "--name", "first", "--network", "vgg"], 2),
        (["{slices}", "--name", "first", "--augmentation", "no/such.yaml"], 2),
        (["{slices}", "--name", "first", "--augmentation", ""], 2),
        (["{slices}", "--name", "first", "--folds", "7"], 1),
        (["{slices}/nothing", "--name", "first"], 1),
        (["{slices}", "--name", "first", "--like", "nothing"], 1),
        (["{slices}", "--name", "first", "--threshold-rule", "best"], 1),
        (["--estimate"], 2),
    ],
)
def test_nothing_is_queued_by_a_mistake(
    run_json, home: Path, phantom_slices: Path, arguments: list[str], status: int
) -> None:
    given = [argument.format(slices=phantom_slices) for argument in arguments]
    assert run_json("train", *given) == (status, None)
    assert runs.list_runs() == ()


@pytest.mark.slow
def test_an_estimate_is_printed_and_nothing_is_queued(
    run_json, home: Path, phantom_slices: Path
) -> None:
    status, found = run_json("train", str(phantom_slices), "--estimate", "--size", "32")
    assert status == 0 and found["proposed"] == found["networks"][0]["network"]
    assert {"auc", "low", "high"} <= set(found["networks"][0])
    assert runs.list_runs() == ()
