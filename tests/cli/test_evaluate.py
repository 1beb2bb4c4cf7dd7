"""`spinefrac evaluate` gives the keys of an out-of-fold evaluation, and keeps its result."""

from pathlib import Path

KEYS = {
    *("n", "groups", "accuracy", "precision", "recall", "specificity", "f1", "auc"),
    *("average_precision", "brier", "ece", "confusion_matrix", "ci"),
}


def test_the_agreed_keys(run_json, demo_home: Path, phantom_slices: Path) -> None:
    status, result = run_json("evaluate", "phantom-demo", phantom_slices)
    assert status == 0 and set(result) >= KEYS
    assert result["n"] == 24 and result["groups"] == 6
    assert sum(map(sum, result["confusion_matrix"])) == 24
    assert list((demo_home / "evaluations").rglob("*.json"))


def test_a_model_that_does_not_exist_is_an_error(
    run_json, demo_home: Path, phantom_slices: Path
) -> None:
    assert run_json("evaluate", "nothing", phantom_slices) == (1, None)
