"""Keras files from elsewhere are checked by their declarations before anything is built."""

import json
import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import h5py
import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import import_model
from spinefrac.exchange.io_spec import DeclaredIO


def edited(source: Path, target: Path, change) -> Path:
    """Copy a .keras file with its members changed: a dict of name to bytes."""
    with zipfile.ZipFile(source) as archive:
        found = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    found = change(found) or found
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    return target


def with_layer(**layer):
    """Change a network's description: its first true layer becomes this one."""

    def change(found):
        config = json.loads(found["config.json"])
        config["config"]["layers"][1] |= layer
        found["config.json"] = json.dumps(config).encode()

    return change


def with_weights(change):
    """Change a network's weights file."""

    def edit(found):
        content = BytesIO(found["model.weights.h5"])
        with h5py.File(content, "r+") as file:
            change(file)
        found["model.weights.h5"] = content.getvalue()

    return edit


def link(kind):
    def change(file):
        file["layers/conv2d/vars/9"] = kind

    return change


def external_data(file):
    file["layers/conv2d/vars"].create_dataset("9", (4,), "f4", external=[("/etc/hostname", 0, 16)])


def virtual_data(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file["layers/conv2d/vars"].create_virtual_dataset("9", layout)


def claimed_data(file):
    """15 KB that claim 24 GB."""
    file["layers/conv2d/vars"].create_dataset("9", (6_000_000_000,), "f4", chunks=(1 << 20,))


SHELL = {"module": "os", "class_name": "system", "config": "id", "registered_name": None}


HOSTILE = {
    "Lambda": (with_layer(class_name="Lambda"), "kind Lambda, which is program code"),
    "python-lambda": (
        with_layer(config={"activation": {"class_name": "__lambda__", "config": {"value": "x"}}}),
        "kind lambda, which is program code",
    ),
    "saved-model-layer": (with_layer(class_name="TFSMLayer"), "program code"),
    "own-class": (
        with_layer(class_name="Own", registered_name="somewhere>Own"),
        "uses somewhere>Own",
    ),
    "any-function": (with_layer(config={"activation": SHELL}), r"uses os\.system"),
    "keras-function": (
        with_layer(
            config={
                "activation": {
                    "module": "keras.utils",
                    "class_name": "get_file",
                    "config": {"fname": "x", "origin": "http://127.0.0.1/"},
                }
            }
        ),
        "uses get_file",
    ),
    "text-file": (
        with_layer(class_name="StringLookup", config={"vocabulary": "/etc/passwd"}),
        "uses StringLookup",
    ),
    "many-units": (with_layer(config={"units": 10**10}), r"units = 1e\+10"),
    "deep": (
        lambda found: found | {"config.json": b'{"a":' * 5000 + b"1" + b"}" * 5000},
        "too deeply|not JSON",
    ),
    "external-link": (with_weights(link(h5py.ExternalLink("/etc/x.h5", "/"))), "ExternalLink"),
    "soft-link": (with_weights(link(h5py.SoftLink("/layers"))), "SoftLink"),
    "external-data": (with_weights(external_data), "weights from other files"),
    "virtual-data": (with_weights(virtual_data), "weights from other files"),
    "claimed-data": (with_weights(claimed_data), "declares 22888 MiB"),
    "beside": (lambda found: found | {"run.py": b"print()"}, "holds 'run.py'"),
    "no-weights": (lambda found: {"config.json": b"{}"}, "not a Keras 3 file"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_keras_file_is_refused(own_home, files, tmp_path, kind, nothing_left):
    change, message = HOSTILE[kind]
    path = edited(files / "sigmoid.keras", tmp_path / f"{kind}.keras", change)
    with pytest.raises(ModelError, match=message) as found:
        import_model.import_file(path, user_io=DeclaredIO(positive_class=1))
    assert str(tmp_path) not in str(found.value) and "\n" not in str(found.value)
    assert nothing_left(own_home)


@pytest.mark.slow
def test_a_small_file_that_asks_for_24_gigabytes_is_refused(own_home, tmp_path, nothing_left):
    """Every number of it is ordinary; their product is not."""
    import keras

    model = keras.Sequential(
        [keras.Input((16, 16, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model.save(tmp_path / "small.keras")

    def grow(found):
        text = found["config.json"].decode()
        text = text.replace("[null, 16, 16, 1]", "[null, 160, 160, 1]")
        text = text.replace("[null, 256]", "[null, 25600]").replace(
            '"units": 1,', '"units": 240000,'
        )
        return found | {"config.json": text.encode()}

    path = edited(tmp_path / "small.keras", tmp_path / "large.keras", grow)
    assert path.stat().st_size < 20_000
    with pytest.raises(ModelError, match=r"declares 6144240000 weights and its file holds 257"):
        import_model.import_file(path, user_io=DeclaredIO(scale="0..1", positive_class=1))
    assert nothing_left(own_home)


def h5_with(source: Path, target: Path, change) -> Path:
    shutil.copyfile(source, target)
    with h5py.File(target, "r+") as file:
        change(file)
    return target


def lambda_in_h5(file):
    config = json.loads(file.attrs["model_config"])
    config["config"]["layers"][1]["class_name"] = "Lambda"
    file.attrs["model_config"] = json.dumps(config)


def link_in_h5(file):
    file["model_weights/outside"] = h5py.ExternalLink("/etc/x.h5", "/")


def no_config(file):
    del file.attrs["model_config"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda_in_h5, "program code"),
        (link_in_h5, "ExternalLink"),
        (no_config, "weights without a network"),
    ],
)
def test_a_hostile_h5_file_is_refused(own_home, files, tmp_path, change, message, nothing_left):
    path = h5_with(files / "legacy.h5", tmp_path / "bad.h5", change)
    with pytest.raises(ModelError, match=message):
        import_model.import_file(path, user_io=DeclaredIO(positive_class=1))
    assert nothing_left(own_home)
