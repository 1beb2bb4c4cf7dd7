"""The weights of the package: their card describes them, and they detect fractures."""

import hashlib
import json
import re

import numpy as np
import pytest

from spinefrac.data.phantom.plan import GENERATOR_VERSION
from spinefrac.errors import TrainingError
from spinefrac.evaluation.ranking import roc_auc
from spinefrac.training import networks, shipped_weights
from spinefrac.training.keras_logits import predict_logits
from spinefrac.training.pretraining import phantom_masks, phantom_slices
from spinefrac.training.pretraining.phantom_slices import PhantomSource

NAME = "compact-spine"
UNSEEN = PhantomSource("standard", 9_150_031, patients=16, step=6)


def test_the_card_describes_the_file():
    content = (shipped_weights.FOLDER / f"{NAME}.npz").read_bytes()
    card = shipped_weights.read_card(NAME)
    assert hashlib.sha256(content).hexdigest() == card["sha256"]
    assert len(content) <= 2_000_000
    assert card["generator_version"] <= GENERATOR_VERSION
    seeds = {source["seed"] for stage in card["stages"] for source in stage["training"]}
    measured = {source["seed"] for source in card["figures_on"]}
    known = (*phantom_slices.NARROW_SOURCES, *phantom_slices.WIDE_SOURCES)
    assert seeds <= {source.seed for source in known}
    assert measured and seeds.isdisjoint(measured)
    for figures in card["figures"].values():
        low, high = figures["auc_ci"]
        assert low <= figures["auc"] <= high


def test_the_weights_detect_fractures_of_patients_that_they_have_not_seen(tmp_path):
    slices = phantom_slices.render_sources(tmp_path, [UNSEEN], 160, workers=1)
    for size in (160, 156):  # the layers of the second are in another order
        pixels = phantom_masks.resize(slices, size).pixels
        network = networks.build_network("compact", size, "spine")
        assert roc_auc(slices.labels, predict_logits(network, pixels)) > 0.8


@pytest.mark.parametrize("size", [32, 45, 96])
def test_they_fit_every_size_with_and_without_the_fused_kernel(size):
    portable = networks.build_network("compact", size, "spine")
    fused = networks.build_network("compact", size, "spine", fused_batch_norm=True)
    image = np.random.default_rng(0).uniform(0, 255, (2, size, size, 1)).astype(np.float32)
    assert np.allclose(portable(image), fused(image), atol=1e-3)


def test_what_was_written_is_read(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    weights = tuple(rng.normal(size=shape).astype(np.float32) for shape in ((3, 2), (2,), (1, 4)))
    shipped_weights.write(tmp_path / "new", "some", weights, {"settings": {"epochs": 1}})
    monkeypatch.setattr(shipped_weights, "FOLDER", tmp_path / "new")
    assert shipped_weights.read_card("some")["settings"] == {"epochs": 1}
    for one, other in zip(shipped_weights.read_weights("some"), weights, strict=True):
        assert np.array_equal(one, other)


def test_other_weights_than_the_card_describes_are_refused(tmp_path, monkeypatch):
    shipped_weights.write(tmp_path, "some-file", (np.zeros(3),), {})
    monkeypatch.setattr(shipped_weights, "FOLDER", tmp_path)
    card = json.loads((tmp_path / "some-file.json").read_text())
    (tmp_path / "some-file.json").write_text(json.dumps({**card, "sha256": "0" * 64}))
    with pytest.raises(TrainingError, match=re.escape("not those that their card describes")):
        shipped_weights.read_weights("some-file")
    with pytest.raises(TrainingError, match=r"absent\.npz cannot be read"):
        shipped_weights.read_weights("absent")
