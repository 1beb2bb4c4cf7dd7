"""The head within a network: what it is fitted on, what it leaves alone, what it returns."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.evaluation.ranking import roc_auc
from spinefrac.training import networks
from spinefrac.training.frozen import features
from spinefrac.training.frozen.network_head import NetworkHead, list_blocks
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.workspace import RunWorkspace

SIZE, ROWS = 32, 48


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> RunWorkspace:
    """Slices with a bright corner where the label is 1, three folds of whole groups."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    rng = np.random.default_rng(2)
    labels = np.arange(ROWS) % 2
    inputs = rng.integers(0, 120, (ROWS, SIZE, SIZE), np.uint8)
    inputs[labels == 1, :12, :12] += 80
    settings = TrainingSettings(network="lite0").with_values({"size": SIZE})
    groups = np.array([f"group-{row // 4:02}" for row in range(ROWS)])
    return RunWorkspace(tmp_path, settings, inputs, labels, groups, np.arange(ROWS) // 16)


def test_only_the_head_changes_and_its_logits_are_those_of_the_network(workspace):
    model = networks.build_network("lite0", SIZE, "imagenet")
    before = model.get_layer("lite0").get_weights()
    rows = np.flatnonzero(workspace.folds != 0)
    logits = NetworkHead(model, workspace, rows, 1).fit(1)
    pairs = zip(before, model.get_layer("lite0").get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    images = workspace.inputs[..., None].astype(np.float32)
    np.testing.assert_allclose(model.predict_on_batch(images)[:, 0], logits, atol=1e-3)
    held_out = workspace.folds == 0
    auc = roc_auc(workspace.labels[held_out], logits[held_out])
    assert auc is not None and auc > 0.9

    # Labels of what the fold holds out change nothing, not even the strengths.
    flipped = np.where(held_out, 1 - workspace.labels, workspace.labels)
    other = networks.build_network("lite0", SIZE, "imagenet")
    again = NetworkHead(other, replace(workspace, labels=flipped), rows, 1).fit(1)
    assert np.array_equal(logits, again)


def test_a_head_that_grows_is_that_of_one_fit_with_all_variants(workspace):
    """Also where its network was fitted before: it departs from what the network came with."""
    rows = np.flatnonzero(workspace.folds != 0)
    model = networks.build_network("compact_lite0", SIZE, "spine")
    growing = NetworkHead(model, workspace, rows, 2)
    first = growing.fit(0)
    grown = growing.fit(2)
    assert not np.allclose(first, grown, atol=1e-3)
    fresh = networks.build_network("compact_lite0", SIZE, "spine")
    once = NetworkHead(fresh, workspace, rows, 2)
    fresh.set_weights(model.get_weights())  # as a checkpoint brings them
    assert np.array_equal(grown, once.fit(2))


def test_compact_brings_a_head_that_knows():
    lite0, compact = list_blocks(networks.build_network("compact_lite0", SIZE, "spine"))
    assert (lite0.name, lite0.size, lite0.prior) == ("lite0", 160, None)
    assert compact.name == "compact" and compact.prior is not None
    own = networks.build_network("compact", SIZE, "spine").get_layer("logit").get_weights()[0]
    assert np.array_equal(compact.prior, own[:, 0])


def test_a_fold_finds_the_features_of_others_without_hashing_the_slices(workspace, monkeypatch):
    rows = np.flatnonzero(workspace.folds != 0)
    model = networks.build_network("lite0", SIZE, "imagenet")
    NetworkHead(model, workspace, rows, 0).fit(0)
    (entry,) = (workspace.folder / "runs" / "cache").glob("*.npy")
    workspace.write()
    monkeypatch.setattr(features, "hash_array", lambda array: pytest.fail("hashed again"))
    monkeypatch.setattr(features.FeatureLoader, "_compute", lambda *_: pytest.fail("computed"))
    NetworkHead(model, RunWorkspace.read(workspace.folder), rows, 0).fit(0)
    assert entry.is_file()
