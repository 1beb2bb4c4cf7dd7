"""The form of the training settings."""

from __future__ import annotations

from pathlib import Path

from tests.ui.train.support import only_error, page, text


def test_every_setting_has_its_default_and_a_sentence_of_help(root: Path) -> None:
    from spinefrac.training.settings import TrainingSettings

    app = page("data/spines")
    defaults = TrainingSettings()
    assert app.number_input(key="train-folds").value == defaults.folds
    assert app.number_input(key="train-epochs").value == defaults.epochs
    assert app.number_input(key="train-size").value == defaults.preprocessing.size
    assert app.number_input(key="train-batch-size").value == defaults.batch_size
    assert app.number_input(key="train-learning-rate").value == defaults.learning_rate
    assert app.number_input(key="train-seed").value == defaults.seed
    assert app.toggle(key="train-bone-crop").value == defaults.preprocessing.bone_crop
    assert app.toggle(key="train-early-stopping").value == defaults.early_stopping
    assert app.selectbox(key="train-network").value == defaults.network
    assert app.selectbox(key="train-weights").value == defaults.initial_weights
    assert app.selectbox(key="train-augmentation").value == "standard"
    assert app.selectbox(key="train-grouping").value == "auto"
    fields = [f for f in (*app.number_input, *app.toggle, *app.selectbox, *app.text_input) if f.key]
    assert len(fields) >= 14
    assert [
        f.key for f in fields if f.key.startswith("train-") and not f.proto.help.endswith(".")
    ] == []
    assert "share the features of 48 slices in 10 epochs: 480 slices" in text(app)


def test_a_weights_file_lies_within_the_roots(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.weights.h5").write_bytes(b"x")
    app = page("data/spines")
    app.selectbox(key="train-weights").set_value("file").run()
    app.text_input(key="train-weights-file").set_value(str(tmp_path / "secret.weights.h5")).run()
    assert "Expected a file within" in only_error(app)
    assert "imagenet" not in app.selectbox(key="train-weights").options
