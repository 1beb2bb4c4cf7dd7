"""Models from elsewhere: with the input that they were trained on, or not imported at all."""

import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper

from spinefrac.errors import ModelError
from spinefrac.exchange import import_model, validation
from spinefrac.exchange.io_spec import DeclaredIO
from spinefrac.store import card as cards
from spinefrac.store import repository
from spinefrac.system import sandbox
from spinefrac.system.resource_limits import ResourceLimits
from tests.support.onnx_network import onnx_network

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")


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
    own_home, files, networks, file, network, given, greys, fracture, predict_slices, images
):
    model = import_model.import_file(files / file, "imported", user_io=given, note="from elsewhere")
    values = np.asarray(networks[network](greys(images).astype(np.float32), training=False))
    expected = fracture(values.astype(np.float64))
    assert np.ptp(expected) > 0.005, "the slices must differ, or nothing is compared"
    np.testing.assert_allclose(predict_slices("imported"), expected, atol=1e-5)
    assert model.card.origin.file == file and model.card.note == "from elsewhere"
    assert not model.has_out_of_fold and model.threshold == 0.5 and model.temperature == 1
    assert sorted(path.name for path in model.path.iterdir()) == [
        "card.json",
        "model.keras",
        "serving.onnx",
    ]
    import keras

    again = keras.models.load_model(model.keras_path, safe_mode=True)
    kept = np.asarray(again(images.astype(np.float32), training=False))[:, 0]
    np.testing.assert_allclose(kept, expected, atol=1e-5)


def test_a_name_in_use_is_refused_before_any_work(own_home, files, monkeypatch):
    given = DeclaredIO(scale="0..1", positive_class=1)
    import_model.import_file(files / "plain.onnx", user_io=given)
    monkeypatch.setattr(sandbox, "run", lambda *a: pytest.fail("the file was looked at"))
    with pytest.raises(ModelError, match="in use"):
        import_model.import_file(files / "plain.onnx", user_io=given)


@posix_only
def test_a_file_that_takes_too_long_is_given_up(own_home, tmp_path, nothing_left):
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
            limits=ResourceLimits(cpu_s=3, wall_s=300),
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
def test_rubbish_is_refused_in_one_line(own_home, tmp_path, ending, content, nothing_left):
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


def test_an_imported_card_comes_back_and_an_old_card_stays_readable(own_home, files):
    given = DeclaredIO(scale="0..1", positive_class=1)
    model = import_model.import_file(files / "plain.onnx", user_io=given)
    assert repository.load(model.id) == model and model.card.schema_version == cards.SCHEMA_VERSION
    shipped = Path(__file__).parents[2] / "models" / repository.DEMO_MODEL_ID
    if (shipped / "card.json").exists():
        assert repository.open_folder(shipped).has_out_of_fold
    assert {path.name for path in (own_home / "models").iterdir()} == {".lock", "plain"}
