"""Runs that start from a saved model: its settings, its weights, and what must not be scored."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from spinefrac.errors import DatasetError, ModelError, TrainingError
from spinefrac.exchange import ensemble
from spinefrac.store import lineage, manage, repository
from spinefrac.store.card import ParentModel
from spinefrac.training import finetuning, networks, runs
from spinefrac.training.runs import RunRequest


def write_others(root, shared=()):
    """Slices of other patients, and copies of `shared` files."""
    rng = np.random.default_rng(3)
    for name in ("fracture", "normal"):
        (root / name).mkdir(parents=True)
        for patient in range(8):
            for number in range(2):
                picture = rng.integers(0, 255, (64, 64)).astype(np.uint8)
                cv2.imwrite(str(root / name / f"Q{patient:02}_{number}.png"), picture)
    for path in shared:
        (root / path.parent.name / f"Q90_{path.stem}.png").write_bytes(path.read_bytes())
    return root


def finished(run):
    """Follow a run to its end, in its own process."""
    for _ in runs.follow(run.id):
        pass
    return runs.get_run(run.id)


@pytest.mark.slow
def test_a_line_of_descent_from_settings_to_weights(folder, quick, tmp_path):
    settings = replace(quick, epochs=1, line_steps=0)
    first = finished(runs.submit(RunRequest(folder, "first", settings, trained_by="somebody")))
    assert first.state == "done", first.error
    model = repository.load("first")
    assert model.card.trained_by == "somebody" and model.card.parent is None

    # each fold takes over one fold network, to the last bit
    for fold in range(4):
        taken = networks.build_network("compact", 32, str(model.keras_path), fold_index=fold)
        digest, _ = ensemble.hash_weights(taken)
        assert digest == model.card.folds[fold % 2].weights_sha256
    with pytest.raises(TrainingError, match="do not fit"):
        networks.build_network("mobilenet_v3_small", 32, str(model.keras_path))

    # from its settings on any data
    same, parent = finetuning.load_initial_settings("first")
    assert same == replace(settings, workers=0) and parent.how == "settings"

    # from its weights on new data only
    onward, parent = finetuning.load_initial_settings("first", "weights")
    with pytest.raises(DatasetError, match="trained on this very data set"):
        runs.submit(RunRequest(folder, "second", onward, parent=parent))
    overlapping = write_others(tmp_path / "overlap", sorted(folder.glob("*/*.png"))[:3])
    run = finished(runs.submit(RunRequest(overlapping, "second", onward, parent=parent)))
    assert run.state == "failed" and "trained on 3 of these 35 slices" in run.error

    # renamed while the run waits: its card is what counts
    others = write_others(tmp_path / "others")
    request = RunRequest(others, "second", onward, parent=parent)
    queued = runs.submit(request, start_runner=False)
    manage.rename("first", "ancestor")
    assert queued.parent == parent
    runs.ensure_runner()
    run = finished(queued)
    assert run.state == "done", run.error
    child = repository.load("second")
    assert child.card.parent == ParentModel("first", model.card_hash, "weights")
    assert [step.name for step in lineage.list_ancestors(child)] == ["second", "ancestor"]
    assert [m.id for m, _ in lineage.list_children(repository.load("ancestor"))] == ["second"]
    manage.purge([manage.delete("ancestor")])
    step = lineage.list_ancestors(child)[-1]
    assert (step.name, step.exists) == ("first", False)
    assert ", deleted" in step.description


def test_what_cannot_be_started_from_says_why(tmp_path):
    with pytest.raises(ModelError, match="no saved model"):
        finetuning.load_initial_settings("nothing")
    gone = ParentModel("gone", "0" * 64, "weights")
    with pytest.raises(ModelError, match="to start from are not there"):
        finetuning.require_unseen_dataset(gone, "f" * 64)
    finetuning.require_unseen_dataset(replace(gone, how="settings"), "f" * 64)
    finetuning.require_unseen_dataset(None, "f" * 64)
