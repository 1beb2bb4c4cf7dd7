"""Saving networks: complete and verified, or nothing at all."""

import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import ensemble, save_model
from spinefrac.records import Preprocessing
from spinefrac.store import repository, saving
from tests.support.killing import left_in, run_and_kill

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX processes and locks")


# --- what is saved ---------------------------------------------------------------------


def test_a_saved_model_comes_back_as_it_was(saved_model, new_model):
    model = repository.load("tiny")
    assert model == saved_model
    assert model.preprocessing == new_model.preprocessing
    assert model.temperature == new_model.temperature
    assert model.threshold == new_model.operating_point.threshold
    assert model.metrics == new_model.metrics
    assert model.load_history() == new_model.history
    oof, expected = model.load_out_of_fold(), new_model.out_of_fold
    assert oof.paths == expected.paths
    assert oof.positions == expected.positions and oof.positions[:5] == (1, 2, 3, 4, 1)
    for column in ("groups", "labels", "folds", "logits", "probabilities"):
        # Equal to the last bit: the metrics can be computed anew from the file.
        np.testing.assert_array_equal(getattr(oof, column), getattr(expected, column))


def test_the_card_describes_folds_and_data(saved_model, new_model):
    card = saved_model.card
    assert [fold.images for fold in card.folds] == [20, 20]
    assert len({fold.weights_sha256 for fold in card.folds}) == 2
    assert card.folds[0].weights_bytes == 4 * card.parameters
    assert card.folds[0].epochs == 3 and card.folds[0].seconds == 3.75
    assert 0.5 < card.folds[1].auc < 1
    assert card.data == new_model.data
    assert 0 <= card.keras_onnx_max_difference <= ensemble.LOGIT_TOLERANCE
    assert card.versions["keras"] and card.versions["spinefrac"]


def test_no_file_names_a_folder_of_this_machine(saved_model, home):
    for path in saved_model.path.iterdir():
        content = path.read_bytes()
        assert b"/home/" not in content, path.name
        assert str(home).encode() not in content, path.name
    assert saved_model.card.settings["weights"] == "start.weights.h5"


@pytest.mark.parametrize(
    ("setting", "kept"),
    [
        ("/data/w.h5", "w.h5"),
        (r"C:\Users\somebody\w.h5", "w.h5"),
        ("~/w.h5", "w.h5"),
        ("imagenet", "imagenet"),
        ([{"a": "/x/y"}], [{"a": "y"}]),
        (0.5, 0.5),
        (None, None),
    ],
)
def test_settings_lose_their_folders(setting, kept):
    assert save_model._strip_folders(setting) == kept


def test_keras_file_opens_without_this_package(saved_model, new_model, tiny, tmp_path):
    script = (
        "import sys, keras, numpy\n"
        "model = keras.models.load_model(sys.argv[1], safe_mode=True)\n"
        "answers = model(numpy.load(sys.argv[2]), training=False)\n"
        "assert not any(name.startswith('spinefrac') for name in sys.modules)\n"
        "print(' '.join(repr(float(a)) for a in numpy.asarray(answers)[:, 0]))\n"
    )
    images = tiny.inputs(4, seed=9)[..., None].astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    printed = subprocess.run(
        [
            sys.executable,
            "-c",
            script,
            saved_model.keras_path,
            tmp_path / "images.npy",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    answers = [np.asarray(model(images)[0])[:, 0] for model in new_model.fold_models]
    logits = np.mean(answers, axis=0)
    np.testing.assert_allclose(
        [float(word) for word in printed.split()], 1 / (1 + np.exp(-logits)), atol=1e-6
    )


def test_one_fold_and_other_file_names(home, new_model):
    oof = new_model.out_of_fold
    odd = ('a,b "c"\n.png', "d\udce9.png", *oof.paths[2:])
    hashes = tuple(f"{row:064x}" for row in range(len(odd)))
    model = save_model.save(
        replace(
            new_model,
            id="one-fold",
            fold_models=new_model.fold_models[:1],
            out_of_fold=replace(
                oof, folds=np.zeros_like(oof.folds), paths=odd, pixel_hashes=hashes
            ),
            history=new_model.history[:3],
        )
    )
    assert len(model.card.folds) == 1
    assert model.load_out_of_fold().paths == odd
    assert model.load_out_of_fold().pixel_hashes == hashes


# --- what is refused -------------------------------------------------------------------


def test_a_name_in_use_is_refused(saved_model, new_model, home):
    before = left_in(home)
    with pytest.raises(ModelError, match="in use"):
        save_model.save(new_model)
    assert left_in(home) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "Not A Name"}, "choose another name"),
        ({"fold_models": ()}, "at least one fold"),
        ({"verification_inputs": np.zeros((15, 32, 32), np.uint8)}, "16 model inputs"),
        ({"verification_inputs": np.zeros((16, 32, 32), np.float32)}, "must be uint8"),
        ({"preprocessing": Preprocessing(size=64)}, "64 x 64"),
        ({"temperature": 0.0}, "above 0"),
    ],
)
def test_parts_that_do_not_fit_are_refused(new_model, home, change, message):
    with pytest.raises(ModelError, match=message):
        save_model.save(replace(new_model, **{"id": "refused", **change}))
    assert not (home / "models" / "refused").exists()


def test_a_diverged_fold_is_refused(new_model, home):
    logits = new_model.out_of_fold.logits.copy()
    logits[3] = np.nan
    oof = replace(new_model.out_of_fold, logits=logits)
    with pytest.raises(ModelError, match="1 of them not finite"):
        save_model.save(replace(new_model, id="diverged", out_of_fold=oof))


def test_a_wrong_export_is_refused_and_leaves_nothing(new_model, home, tiny, monkeypatch):
    other = tiny.fold_models()
    head = other[1].get_layer("logit")
    kernel, bias = head.get_weights()
    head.set_weights([kernel, bias + 0.01])
    export = ensemble.write_onnx
    monkeypatch.setattr(
        ensemble, "write_onnx", lambda _, path: export(ensemble.build_serving_model(other), path)
    )
    before = left_in(home)
    with pytest.raises(ModelError, match=r"differ by 0\.01 in the logits"):
        save_model.save(replace(new_model, id="wrong-export"))
    assert left_in(home) == before


def test_weights_that_are_not_finite_are_refused(new_model, home, tiny):
    models = tiny.fold_models()
    head = models[0].get_layer("logit")
    kernel, bias = head.get_weights()
    head.set_weights([kernel * np.nan, bias])
    before = left_in(home)
    with pytest.raises(ModelError, match="differ by nan"):
        save_model.save(replace(new_model, id="not-finite", fold_models=models))
    assert left_in(home) == before


def test_a_layer_of_ones_own_is_refused(new_model, home):
    import keras

    class Own(keras.layers.Layer):
        def call(self, x):
            return x + 0.0

    def with_own(model):
        logit = Own()(model.outputs[0])
        return keras.Model(model.inputs[0], [logit, model.outputs[1]])

    models = [with_own(model) for model in new_model.fold_models]
    with pytest.raises(ModelError, match="built-in layers only"):
        save_model.save(replace(new_model, id="own-layer", fold_models=models))
    assert not [name for name in left_in(home) if "own-layer" in name]


# --- what happens on the way -----------------------------------------------------------


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


@posix_only
def test_a_full_disk_leaves_nothing(own_home, new_model, saved_model):
    """A limit on file sizes stands for the disk: the first file is cut off near its end."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = saved_model.card.files["model.keras"].size - 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(ModelError, match="nothing was saved"):
            save_model.save(replace(new_model, id="too-large"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert left_in(own_home) == []


def test_a_really_full_disk_leaves_nothing(own_home, new_model, saved_model):
    """A small file system, full in the middle of the second file."""
    files = saved_model.card.files
    size = files["model.keras"].size + files["serving.onnx"].size // 2
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(own_home)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        with pytest.raises(ModelError, match="nothing was saved: make room"):
            save_model.save(replace(new_model, id="too-large"))
        assert left_in(own_home) == []
    finally:
        subprocess.run(["umount", str(own_home)], check=True)


@posix_only
@pytest.mark.slow
def test_killed_while_exporting_leaves_nothing_listed(own_home):
    """Building and writing the networks takes seconds: no model can be whole so early."""
    run_and_kill(Path(__file__).parents[1] / "support/tiny_model.py", "killed", after=0.3)
    assert repository.list_models() == []
    saving.remove_unfinished()
    assert not [name for name in left_in(own_home) if name.startswith(".")]


# --- features for the input check ------------------------------------------------------


@pytest.fixture(scope="module")
def model_with_features(tiny, tmp_path_factory):
    """A model whose networks are deep enough for features, fitted to its forty inputs."""
    import keras
    from keras import layers

    from spinefrac.training import heads

    def build(seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        x = image = keras.Input((tiny.SIZE, tiny.SIZE, 1), name="image")
        for channels in (4, 5, 6):
            x = layers.ReLU()(layers.Conv2D(channels, 3, strides=2, padding="same")(x))
        return heads.add_heatmap_output(
            keras.Model(image, heads.build_head({heads.FEATURES: x}), name="deep")
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(tmp_path_factory.mktemp("features")))
        folds = [build(seed) for seed in range(tiny.FOLDS)]
        new = tiny.new_model(
            "deep", fold_models=folds, training_inputs=tiny.inputs(), synthetic=True
        )
        save_model.save(new)
        yield repository.load("deep")


def test_a_reference_of_the_features_is_saved_beside_the_model(model_with_features):
    card = model_with_features.card
    assert card.input_reference.sizes == (10, 12) and card.synthetic
    record = card.files[repository.REFERENCE_FILE]
    assert record == repository.FileRecord(
        *repository.hash_file(model_with_features.path / repository.REFERENCE_FILE)
    )
    reference = model_with_features.load_input_reference()
    # Each fold has a backbone of its own, so half of the slices are held out.
    assert (reference.summary.images, len(reference.coordinates)) == (20, 20)


def test_predictions_are_graded_by_the_features(model_with_features, tiny):
    from spinefrac.inference.predictor import Predictor
    from spinefrac.records import CtSlice

    predictor = Predictor(model_with_features)
    pixels = tiny.inputs(12, seed=41).astype(np.float32)
    checks = [
        predictor.predict(CtSlice(one, calibrated=False, format="png")).input_check
        for one in (*pixels, np.full_like(pixels[0], 255))
    ]
    assert sum(check.grade == "like" for check in checks[:-1]) >= 9
    assert checks[-1].grade == "unlike" and len(checks[0].nearest) == 3


def test_a_network_that_gives_other_features_than_its_card_is_refused(model_with_features):
    from spinefrac.inference.predictor import Predictor

    summary = replace(model_with_features.card.input_reference, sizes=(10,), log_means=(0.0,),
                      log_spreads=(1.0,))  # fmt: skip
    changed = replace(model_with_features, card=replace(
        model_with_features.card, input_reference=summary))  # fmt: skip
    with pytest.raises(ModelError, match="restore the model"):
        Predictor(changed)
