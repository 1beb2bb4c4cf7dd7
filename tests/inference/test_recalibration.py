"""A model for another site, saved beside the one that it came from."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from spinefrac.data.scan import scan
from spinefrac.errors import DatasetError, ModelError
from spinefrac.inference import recalibration
from spinefrac.inference.predictor import Predictor
from spinefrac.store import lineage, manage, repository
from spinefrac.store.repository import SavedModel


@pytest.fixture
def site(tmp_path: Path, tiny):
    """Blobs of ten patients, two slices each."""
    for number, pixels in enumerate(tiny.inputs(20, seed=77)):
        folder = tmp_path / "site" / ("fracture" if number // 2 % 2 else "normal")
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"P{number // 2:03}_{number % 2}.png"), pixels)
    return scan(tmp_path / "site")


@pytest.fixture
def model(saved_model: SavedModel, tmp_path: Path, monkeypatch) -> SavedModel:
    """The small model in a home of its own."""
    shutil.copytree(saved_model.path, tmp_path / "models" / saved_model.id)
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return repository.load(saved_model.id)


def test_the_new_model_has_its_own_card_and_the_old_one_stays(model, site) -> None:
    made = recalibration.recalibrate(Predictor(model), site, "tiny-site")
    assert repository.load(model.id) == model, "nothing of it changed"
    assert made.temperature != model.temperature and made.card_hash != model.card_hash
    found = made.card.recalibration
    assert (found.slices, found.groups, found.fracture) == (20, 10, 10)
    assert found.fingerprint == site.fingerprint
    assert "20 labelled slices of 10 patients" in made.card.calibration.method
    (_, parent) = lineage.list_ancestors(made)
    assert parent.description == f"recalibration of {model.id}"
    oof, before = made.load_out_of_fold(), model.load_out_of_fold()
    np.testing.assert_array_equal(oof.logits, before.logits)
    expected = 1 / (1 + np.exp(-before.logits / made.temperature))
    np.testing.assert_allclose(oof.probabilities, expected, atol=1e-12)
    assert made.metrics.threshold == made.threshold == made.card.operating_point.threshold


def test_it_is_undone_by_deleting_it(model, site) -> None:
    recalibration.recalibrate(Predictor(model), site, "tiny-site")
    manage.delete("tiny-site")
    assert [one.id for one in repository.list_models()] == [model.id]


def test_predictions_follow_the_new_temperature_and_threshold(model, site, tiny) -> None:
    made = recalibration.recalibrate(Predictor(model), site, "tiny-site", rule="sensitivity:0.9")
    assert made.card.operating_point.rule == "sensitivity:0.9"
    logit, _ = Predictor(model).run(tiny.inputs(1, seed=5))
    from spinefrac import imaging

    ct = imaging.read(site.root / site.paths[0])
    old, new = Predictor(model).predict(ct), Predictor(made).predict(ct)

    def to_logit(probability: float) -> float:
        return float(np.log(probability / (1 - probability)))

    assert to_logit(new.probability) * made.temperature == pytest.approx(
        to_logit(old.probability) * model.temperature, abs=1e-3
    )
    assert new.threshold == made.threshold and logit.shape == (1, 2)


def test_what_cannot_be_done_leaves_nothing(model, site) -> None:
    predictor = Predictor(model)
    with pytest.raises(ModelError, match="in use"):
        recalibration.recalibrate(predictor, site, model.id)
    few = replace(site, items=site.items[:4])
    with pytest.raises(DatasetError, match="more patients"):
        recalibration.recalibrate(predictor, few, "tiny-site")
    assert [one.id for one in repository.list_models()] == [model.id]


def test_slices_that_it_was_trained_on_are_refused(model, site, monkeypatch) -> None:
    oof = model.load_out_of_fold()
    seen = replace(oof, pixel_hashes=tuple(item.pixel_hash for item in site.items) * 2)
    monkeypatch.setattr(SavedModel, "load_out_of_fold", lambda self: seen)
    with pytest.raises(DatasetError, match="leave those out"):
        recalibration.recalibrate(Predictor(model), site, "tiny-site")
