"""What a network's file does not say is declared, never guessed."""

import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import import_model, io_spec
from spinefrac.exchange.io_spec import DeclaredIO
from tests.support.onnx_network import SIDE, onnx_network


def test_an_output_that_is_not_recognised_is_asked_for(own_home, tmp_path, predict_slices):
    (tmp_path / "net.onnx").write_bytes(onnx_network(1, "Relu").SerializeToString())
    given = DeclaredIO(scale="0..1", positive_class=1)
    with pytest.raises(io_spec.UnresolvedIOError) as found:
        import_model.import_file(tmp_path / "net.onnx", user_io=given)
    assert found.value.missing == ["output"]
    given = DeclaredIO(scale="0..1", positive_class=1, output="logits")
    import_model.import_file(tmp_path / "net.onnx", user_io=given)
    assert ((predict_slices("net") > 0) & (predict_slices("net") < 1)).all()


def test_a_hard_sigmoid_is_recognised_as_a_probability(own_home, tmp_path, predict_slices):
    (tmp_path / "net.onnx").write_bytes(onnx_network(1, "HardSigmoid").SerializeToString())
    saved = import_model.import_file(
        tmp_path / "net.onnx", user_io=DeclaredIO(scale="0..1", positive_class=1)
    )
    assert saved.card.origin.output == "sigmoid" and "output" in saved.card.origin.recognised


def test_nothing_is_guessed(own_home, files, nothing_left):
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
def test_a_contradiction_is_refused(own_home, files, given, message, nothing_left):
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


def test_the_file_and_the_user_complete_each_other():
    spec = io_spec.resolve(
        DeclaredIO(size=64, channels=3, output="softmax"),
        2,
        DeclaredIO(size=64, scale="imagenet", positive_class=0),
    )
    assert (spec.size, spec.scale, spec.units, spec.positive_class) == (64, "imagenet", 2, 0)
    assert spec.recognised == ("size", "channels", "output")
    assert len(spec.factors) == len(spec.offsets) == 3
    assert 255 * 0.485 * spec.factors[0] + spec.offsets[0] == pytest.approx(0)


@pytest.mark.parametrize(
    ("units", "declared", "message"),
    [
        (3, {}, "returns 3 values for a slice"),
        (1, {"output": "softmax"}, "1 value for a slice, which is no softmax"),
        (2, {"output": "sigmoid"}, "2 values for a slice, which is no sigmoid"),
        (1, {"scale": "imagenet"}, "imagenet needs 3 channels, the network takes 1"),
    ],
)
def test_what_does_not_fit_together_is_refused(units, declared, message):
    complete = {
        "size": 32,
        "channels": 1,
        "scale": "0..1",
        "output": "logits",
        "positive_class": 1,
    }
    with pytest.raises(ModelError, match=message):
        io_spec.resolve(DeclaredIO(), units, DeclaredIO(**complete | declared))
