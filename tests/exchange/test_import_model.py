"""Models from elsewhere: asked the way they were trained, or not taken at all."""

import json
import shutil
import stat
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from spinefrac.errors import ModelError
from spinefrac.exchange import import_model, io_spec, validation, verification_slices
from spinefrac.exchange.io_spec import DeclaredIO
from spinefrac.inference import predictor
from spinefrac.store import repository
from spinefrac.system import sandbox
from tests.support.onnx_network import SIDE, onnx_network

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def nothing_left(home: Path) -> bool:
    models = home / "models"
    return not models.exists() or {path.name for path in models.iterdir()} <= {".lock"}


# --- files as people have them ----------------------------------------------------------


@pytest.fixture(scope="session")
def networks():
    """Keras networks by name, with the channels they take and how their last layer ends."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)

    def network(channels, rescale, *end):
        image = keras.Input((SIDE, SIDE, channels))
        x = layers.Rescaling(1 / 255)(image) if rescale else image
        x = layers.Conv2D(6, 5, strides=2, activation="relu")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Flatten()(layers.MaxPooling2D(4)(layers.Dropout(0.2)(x)))
        for layer in end:
            x = layer(x)
        return keras.Model(image, x)

    def dense(units, activation=None):
        return layers.Dense(units, activation=activation, bias_initializer="random_normal")

    return {
        "sigmoid": network(1, True, dense(1, "sigmoid")),
        "softmax": network(3, False, dense(2), layers.Activation("softmax")),
        "logits": network(3, False, dense(2)),
    }


@pytest.fixture(scope="session")
def files(networks, tmp_path_factory):
    """The same networks as files."""
    folder = tmp_path_factory.mktemp("foreign")
    for name, model in networks.items():
        model.save(folder / f"{name}.keras")
    networks["sigmoid"].save(folder / "legacy.h5")
    (folder / "plain.onnx").write_bytes(onnx_network().SerializeToString())
    return folder


def answered(name: str) -> np.ndarray:
    """What the shelf's model says of the rendered slices, (16,)."""
    open_model = predictor.get_predictor(name)
    return np.array(
        [
            answer.probability
            for answer in open_model.predict_many(verification_slices.render_slices())
        ]
    )


def pictures() -> np.ndarray:
    """The rendered slices as such a network sees them, 0…255, float64 (16, 32, 32, 1)."""
    return (
        verification_slices.render_inputs(
            import_model.replace(import_model.DEFAULT_PREPROCESSING, size=SIDE)
        )[..., None]
        * 1.0
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "network", "given", "greys", "fracture"),
    [
        ("sigmoid.keras", "sigmoid", DeclaredIO(positive_class=1), lambda x: x, lambda p: p[:, 0]),
        ("legacy.h5", "sigmoid", DeclaredIO(positive_class=0), lambda x: x, lambda p: 1 - p[:, 0]),
        (
            "softmax.keras",
            "softmax",
            DeclaredIO(scale="imagenet", positive_class=0),
            lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
            lambda p: p[:, 0],
        ),
        (
            "logits.keras",
            "logits",
            DeclaredIO(scale="-1..1", positive_class=1),
            lambda x: np.repeat(x / 127.5 - 1, 3, axis=3),
            lambda z: 1 / (1 + np.exp(z[:, 0] - z[:, 1])),
        ),
    ],
)
def test_a_keras_network_answers_as_where_it_comes_from(
    own_home, files, networks, file, network, given, greys, fracture
):
    model = import_model.import_file(files / file, "imported", user_io=given, note="from elsewhere")
    values = np.asarray(networks[network](greys(pictures()).astype(np.float32), training=False))
    expected = fracture(values.astype(np.float64))
    assert np.ptp(expected) > 0.005, "the slices must differ, or nothing is compared"
    np.testing.assert_allclose(answered("imported"), expected, atol=1e-5)
    assert model.card.origin.file == file and model.card.note == "from elsewhere"
    assert not model.has_out_of_fold and model.threshold == 0.5 and model.temperature == 1
    assert sorted(path.name for path in model.path.iterdir()) == [
        "card.json",
        "model.keras",
        "serving.onnx",
    ]
    import keras

    again = keras.models.load_model(model.keras_path, safe_mode=True)
    kept = np.asarray(again(pictures().astype(np.float32), training=False))[:, 0]
    np.testing.assert_allclose(kept, expected, atol=1e-5)


@pytest.mark.parametrize("positive_class", [0, 1])
@pytest.mark.parametrize("batch", ["N", 1])
def test_an_onnx_network_answers_as_where_it_comes_from(own_home, tmp_path, positive_class, batch):
    import onnxruntime

    content = onnx_network(batch=batch).SerializeToString()
    (tmp_path / "net.onnx").write_bytes(content)
    given = DeclaredIO(scale="0..1", positive_class=positive_class)
    model = import_model.import_file(tmp_path / "net.onnx", user_io=given)
    session = onnxruntime.InferenceSession(content)
    greys = np.repeat(pictures().transpose(0, 3, 1, 2) / 255, 3, axis=1).astype(np.float32)
    expected = [session.run(None, {"picture": one[None]})[0][0, positive_class] for one in greys]
    assert np.ptp(expected) > 0.005
    np.testing.assert_allclose(answered("net"), expected, atol=1e-5)
    assert model.card.origin.recognised == ("size", "channels", "output")
    with pytest.raises(ModelError, match="imported from ONNX and has no Keras file"):
        _ = model.keras_path


def test_one_value_of_an_onnx_network(own_home, tmp_path):
    (tmp_path / "net.onnx").write_bytes(onnx_network(1, "Sigmoid").SerializeToString())
    both = [
        import_model.import_file(
            tmp_path / "net.onnx", f"n{c}", user_io=DeclaredIO(scale="0..1", positive_class=c)
        )
        for c in (0, 1)
    ]
    first, second = (answered(model.id) for model in both)
    np.testing.assert_allclose(first, 1 - second, atol=1e-6)


def test_an_output_that_is_not_recognised_is_asked_for(own_home, tmp_path):
    (tmp_path / "net.onnx").write_bytes(onnx_network(1, "HardSigmoid").SerializeToString())
    given = DeclaredIO(scale="0..1", positive_class=1)
    with pytest.raises(io_spec.UnresolvedIOError) as found:
        import_model.import_file(tmp_path / "net.onnx", user_io=given)
    assert found.value.missing == ["output"]
    given = DeclaredIO(scale="0..1", positive_class=1, output="sigmoid")
    import_model.import_file(tmp_path / "net.onnx", user_io=given)
    assert ((answered("net") > 0) & (answered("net") < 1)).all()


def test_nothing_is_guessed(own_home, files):
    with pytest.raises(io_spec.UnresolvedIOError, match=r"--scale .*--positive-class") as found:
        import_model.import_file(files / "plain.onnx")
    assert found.value.missing == ["scale", "positive_class"]
    assert found.value.found["size"] == SIDE and found.value.found["output"] == "softmax"
    assert nothing_left(own_home)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (DeclaredIO(size=64), "The file says size 32, and 64 was declared"),
        (DeclaredIO(channels=1), "says channels 3"),
        (DeclaredIO(output="sigmoid"), "says output softmax"),
    ],
)
def test_a_contradiction_is_refused(own_home, files, given, message):
    with pytest.raises(ModelError, match=message):
        import_model.import_file(files / "plain.onnx", user_io=given)
    assert nothing_left(own_home)


@pytest.mark.parametrize(
    "wrong",
    [{"size": 8}, {"channels": 2}, {"scale": "0..2"}, {"output": "x"}, {"positive_class": 2}],
)
def test_answers_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ModelError, match="declare the network as it was trained"):
        DeclaredIO(**wrong)


def test_a_name_in_use_is_refused_before_any_work(own_home, files, monkeypatch):
    given = DeclaredIO(scale="0..1", positive_class=1)
    import_model.import_file(files / "plain.onnx", user_io=given)
    monkeypatch.setattr(sandbox, "run", lambda *a: pytest.fail("the file was looked at"))
    with pytest.raises(ModelError, match="in use"):
        import_model.import_file(files / "plain.onnx", user_io=given)


# --- hostile files ----------------------------------------------------------------------


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
        "too deep|not JSON",
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
def test_a_hostile_keras_file_is_refused(own_home, files, tmp_path, kind):
    change, message = HOSTILE[kind]
    path = edited(files / "sigmoid.keras", tmp_path / f"{kind}.keras", change)
    with pytest.raises(ModelError, match=message) as found:
        import_model.import_file(path, user_io=DeclaredIO(positive_class=1))
    assert str(tmp_path) not in str(found.value) and "\n" not in str(found.value)
    assert nothing_left(own_home)


@pytest.mark.slow
def test_a_small_file_that_asks_for_24_gigabytes_is_refused(own_home, tmp_path):
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
    with pytest.raises(ModelError, match=r"asks for 6144240000 weights and its file holds 257"):
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
def test_a_hostile_h5_file_is_refused(own_home, files, tmp_path, change, message):
    path = h5_with(files / "legacy.h5", tmp_path / "bad.h5", change)
    with pytest.raises(ModelError, match=message):
        import_model.import_file(path, user_io=DeclaredIO(positive_class=1))
    assert nothing_left(own_home)


def hostile_onnx(kind):
    if kind == "loop":
        body = helper.make_graph(
            [helper.make_node("Identity", ["going"], ["still"])],
            "body",
            [
                helper.make_tensor_value_info("i", TensorProto.INT64, []),
                helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            ],
            [helper.make_tensor_value_info("still", TensorProto.BOOL, [])],
        )
        return onnx_network(extra=[helper.make_node("Loop", ["", ""], [], body=body)])
    if kind == "chance":
        node = helper.make_node("RandomNormalLike", ["scores"], ["noise"])
        return onnx_network(extra=[node])
    if kind == "own-operator":
        node = helper.make_node("Run", ["scores"], ["ran"], domain="com.somebody")
        model = onnx_network(extra=[node])
        model.opset_import.append(helper.make_opsetid("com.somebody", 1))
        return model
    if kind == "memory":
        nodes = [
            helper.make_node(
                "Constant",
                [],
                ["often"],
                value=numpy_helper.from_array(np.array([18_000, 18_000], np.int64)),
            ),
            helper.make_node("Tile", ["scores", "often"], ["vast"]),
            helper.make_node("ReduceMax", ["vast"], ["most"], keepdims=1),
            helper.make_node("Add", ["scores", "most"], ["sum"]),
        ]
        model = onnx_network(extra=nodes)
        model.graph.node[-1].input[0] = "sum"
        return model
    model = onnx_network()
    tensor = model.graph.initializer[0]
    if kind == "external":
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../../etc/passwd")
    if kind == "claimed":
        tensor.dims[0] = 1 << 40
    if kind == "five-classes":
        return onnx_network(units=5)
    return model


@posix_only
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("loop", "operator Loop"),
        ("chance", "operator RandomNormalLike"),
        ("own-operator", "operators of com.somebody"),
        ("memory", "needs more than the 2048 MiB of memory"),
        ("external", "weights from other files"),
        ("claimed", "MiB of weights"),
        ("five-classes", "returns 5 values for a slice"),
    ],
)
def test_a_hostile_onnx_file_is_refused(own_home, tmp_path, kind, message):
    (tmp_path / "bad.onnx").write_bytes(hostile_onnx(kind).SerializeToString())
    given = DeclaredIO(scale="0..1", positive_class=1)
    limits = sandbox.ResourceLimits(memory_mib=2048)
    with pytest.raises(ModelError, match=message):
        import_model.import_file(tmp_path / "bad.onnx", user_io=given, limits=limits)
    assert nothing_left(own_home)


@posix_only
def test_a_file_that_takes_too_long_is_given_up(own_home, tmp_path):
    """A convolution of a thousand channels by a thousand on every slice."""
    model = onnx_network()
    wide = np.ones((1024, 3, 31, 31), np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(wide, "kernel"))
    dense = np.ones((1024, 2), np.float32)
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(dense, "dense"))
    slow = [
        helper.make_node("Resize", ["picture", "", "", "large"], ["blown"]),
    ]
    model.graph.initializer.append(
        numpy_helper.from_array(np.array([1, 3, 900, 900], np.int64), "large")
    )
    model.graph.node.insert(0, slow[0])
    model.graph.node[1].input[0] = "blown"
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    (tmp_path / "slow.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"took more than 3 s|memory"):
        import_model.import_file(
            tmp_path / "slow.onnx",
            user_io=DeclaredIO(scale="0..1", positive_class=1),
            limits=sandbox.ResourceLimits(cpu_s=3, wall_s=300),
        )
    assert nothing_left(own_home)


@posix_only
def test_a_file_that_is_too_large_is_not_read(own_home, tmp_path):
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(validation.MAX_FILE_BYTES + 1)
    with pytest.raises(ModelError, match="has 1024 MiB, expected at most 1024"):
        import_model.import_file(path)


@pytest.mark.parametrize("ending", [".keras", ".h5", ".onnx", ".zip"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 rubbish", b"\x89HDF\r\n\x1a\n" + b"x" * 300])
def test_rubbish_is_refused_in_one_line(own_home, tmp_path, ending, content):
    path = tmp_path / f"rubbish{ending}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"rubbish|The network") as found:
        import_model.import_file(path, user_io=DeclaredIO(scale="0..1", positive_class=1))
    assert "\n" not in str(found.value) and str(tmp_path) not in str(found.value)
    assert nothing_left(own_home)


@pytest.mark.parametrize("name", ["nothing.keras", "folder", "text.txt"])
def test_what_is_no_model_file_is_refused(own_home, tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(ModelError, match=r"\.zip, \.keras, \.h5 or \.onnx"):
        import_model.import_file(tmp_path / name)


# --- archives ---------------------------------------------------------------------------


def archive(tmp_path, *entries) -> Path:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, content)
    return path


@pytest.mark.parametrize(
    "name",
    ["../card.json", "model/../../card.json", "/etc/card.json", "..\\card.json", "C:\\x", "a\nb"],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(own_home, tmp_path, name):
    path = archive(tmp_path, ("model/card.json", b"{}", 0), (name, b"x", 0))
    with pytest.raises(ModelError, match="leads out of its folder"):
        import_model.import_file(path)
    assert nothing_left(own_home)


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644])
def test_a_link_in_an_archive_is_refused(own_home, tmp_path, mode):
    path = archive(tmp_path, ("model/card.json", b"/etc/passwd", mode))
    with pytest.raises(ModelError, match="a link or device"):
        import_model.import_file(path)
    assert nothing_left(own_home)


def test_a_name_twice_is_refused(own_home, tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = archive(tmp_path, ("model/card.json", b"{}", 0), ("model/card.json", b"{}", 0))
    with pytest.raises(ModelError, match="a name twice"):
        import_model.import_file(path)


def test_an_archive_that_unpacks_to_gigabytes_is_refused(own_home, tmp_path):
    """1.1 GiB of zeros in a megabyte."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model/card.json", b"{}")
        with file.open("model/model.keras", "w", force_zip64=True) as entry:
            block = bytes(1 << 24)
            for _ in range(70):
                entry.write(block)
    assert path.stat().st_size < 2_000_000
    with pytest.raises(ModelError, match="would unpack to 1120 MiB"):
        import_model.import_file(path)
    assert nothing_left(own_home)


def test_an_archive_that_lies_about_its_sizes_is_refused(own_home, tmp_path):
    """The directory says 2 bytes, the data are a megabyte."""
    path = archive(tmp_path, ("model/card.json", b"{}" + b" " * 1_000_000, 0))
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = (2).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"damaged|complete|not a card|schema"):
        import_model.import_file(path)
    assert nothing_left(own_home)


def test_the_child_gets_no_secrets(own_home, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    found = sandbox._build_environment(tmp_path)
    assert "AWS_SECRET_ACCESS_KEY" not in found and found["HOME"] == str(tmp_path)


def test_an_imported_card_comes_back_and_an_old_card_stays_readable(own_home, files):
    given = DeclaredIO(scale="0..1", positive_class=1)
    model = import_model.import_file(files / "plain.onnx", user_io=given)
    assert repository.load(model.id) == model and model.card.schema_version == 2
    shipped = Path(__file__).parents[2] / "models" / repository.DEMO_MODEL_ID
    if (shipped / "card.json").exists():
        assert repository.open_folder(shipped).has_out_of_fold
    assert {path.name for path in (own_home / "models").iterdir()} == {".lock", "plain"}
