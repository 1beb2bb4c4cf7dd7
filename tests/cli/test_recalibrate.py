"""`spinefrac recalibrate` saves a model of its own for a site."""

from pathlib import Path

from spinefrac.data.phantom import write_phantom
from spinefrac.store import repository

KEYS = {
    *("model", "parent", "temperature", "threshold", "slices", "groups", "fracture", "fingerprint"),
    *("temperature_ci", "threshold_ci", "before", "after"),
}


def test_a_site_gets_a_model_of_its_own(run_json, demo_home: Path, tmp_path: Path) -> None:
    write_phantom(tmp_path / "site", patients=10, slices=2, seed=11, size=256)
    status, result = run_json("recalibrate", "phantom-demo", tmp_path / "site")
    assert status == 0 and set(result) == KEYS
    assert (result["model"], result["slices"], result["groups"]) == ("phantom-demo-site", 20, 10)
    made = repository.load("phantom-demo-site")
    assert (made.temperature, made.threshold) == (result["temperature"], result["threshold"])
    assert repository.load("phantom-demo").temperature != made.temperature


def test_too_few_patients_are_an_error(run_json, demo_home: Path, phantom_slices: Path) -> None:
    assert run_json("recalibrate", "phantom-demo", phantom_slices) == (1, None)
    assert [model.id for model in repository.list_models()] == ["phantom-demo"]
