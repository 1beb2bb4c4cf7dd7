"""Weights to start training from: what an import refuses is refused, before Keras sees it."""

import json
import zipfile

import h5py
import numpy as np
import pytest

from spinefrac.errors import ModelError, TrainingError
from spinefrac.exchange import weights_file
from spinefrac.training import networks


def change_config(source, target, change):
    """Copy a ``.keras`` file with another configuration of its network."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return target


def to_lambda(config):
    config["config"]["layers"][2]["class_name"] = "Lambda"


def to_many_weights(config):
    """Every number of it is ordinary; their product is not."""
    for layer in config["config"]["layers"]:
        if "units" in layer["config"]:
            layer["config"]["units"] = 1 << 20


@pytest.mark.slow
def test_the_fold_networks_of_a_saved_model_come_back(saved_model, new_model):
    folds = weights_file.read_fold_weights(saved_model.keras_path)
    assert len(folds) == len(new_model.fold_models) == 2
    for found, model in zip(folds, new_model.fold_models, strict=True):
        own = [array for array in model.get_weights() if array.shape]
        assert {array.shape for array in found} <= {array.shape for array in own}
        assert any(np.array_equal(found[0], array) for array in own)


@pytest.mark.slow
def test_a_file_that_declares_more_weights_than_it_holds_is_refused(files, tmp_path):
    path = change_config(files / "sigmoid.keras", tmp_path / "large.keras", to_many_weights)
    assert path.stat().st_size < 200_000
    with pytest.raises(TrainingError, match=r"large\.keras cannot be used: The network declares"):
        networks.build_network("compact", 32, str(path))


def test_program_code_is_refused_by_its_name(files, tmp_path):
    path = change_config(files / "sigmoid.keras", tmp_path / "code.keras", to_lambda)
    with pytest.raises(ModelError, match="kind Lambda, which is program code"):
        weights_file.read_fold_weights(path)


def link(file):
    file["outside"] = h5py.ExternalLink("/etc/x.h5", "/")


def external(file):
    file.create_dataset("9", (4,), "f4", external=[("/etc/hostname", 0, 16)])


def claimed(file):
    """A few kilobytes that claim 24 GB."""
    file.create_dataset("9", (6_000_000_000,), "f4", chunks=(1 << 20,))


@pytest.mark.parametrize(
    ("change", "message"),
    [(link, "ExternalLink"), (external, "from other files"), (claimed, "declares 22888 MiB")],
)
def test_a_hostile_h5_file_is_refused(tmp_path, change, message):
    path = tmp_path / "start.weights.h5"
    with h5py.File(path, "w") as file:
        change(file)
    with pytest.raises(ModelError, match=message) as found:
        weights_file.read_fold_weights(path)
    assert "\n" not in str(found.value) and str(tmp_path) not in str(found.value)


def test_plain_weights_and_rubbish(tmp_path):
    path = tmp_path / "start.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv/vars/0"] = np.ones((3, 3), np.float32)
    assert weights_file.read_fold_weights(path) == ()
    path.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be read as a network"):
        weights_file.read_fold_weights(path)
