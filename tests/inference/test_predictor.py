"""The predictor against Keras, against itself from many threads, and on replaced models."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from spinefrac import imaging
from spinefrac.errors import ModelError
from spinefrac.inference import predictor
from spinefrac.inference.predictor import Predictor, get_predictor
from spinefrac.records import CtSlice
from spinefrac.store import card as cards
from spinefrac.store import repository


def slices(tiny, count=24):
    """Pictures of other shapes than the model's, so that crop and resize take part."""
    rng = np.random.default_rng(5)
    made = []
    for pixels in tiny.inputs(count, seed=7):
        grey = np.kron(pixels, np.ones((3, 3)))[: 70 + rng.integers(26), :]
        made.append(CtSlice(grey.astype(np.float32), calibrated=False, format="png"))
    return made


@pytest.fixture(scope="module")
def opened(saved_model):
    return Predictor(saved_model)


def test_probability_is_that_of_the_keras_file_at_temperature_one(saved_model, opened, tiny):
    import keras

    model = keras.models.load_model(saved_model.keras_path)
    for ct in slices(tiny, 8):
        answer = opened.predict(ct)
        image = answer.input.pixels[None, ..., None].astype(np.float32)
        assert answer.probability == pytest.approx(float(model(image)[0, 0]), abs=1e-5)


def test_temperature_tempers_the_mean_of_the_fold_logits(saved_model, opened, tiny):
    card = replace(saved_model.card, calibration=cards.Calibration(2.5, "by hand"))
    tempered = Predictor(replace(saved_model, card=card))
    for ct in slices(tiny, 4):
        plain, answer = opened.predict(ct), tempered.predict(ct)
        folds = np.array(plain.fold_probabilities)
        logit = np.log(folds / (1 - folds)).mean()
        assert answer.probability == pytest.approx(1 / (1 + np.exp(-logit / 2.5)), abs=1e-6)
        assert len(answer.fold_probabilities) == tiny.FOLDS


def test_one_by_one_and_in_batches_are_the_same(opened, tiny):
    cts = slices(tiny, predictor.BATCH_SIZE + 5)
    batched = list(opened.predict_many(iter(cts)))
    assert len(batched) == len(cts)
    for one, many in zip(map(opened.predict, cts), batched, strict=True):
        assert many.probability == pytest.approx(one.probability, abs=1e-6)
        assert many.input_check == one.input_check
        np.testing.assert_allclose(many.heatmap, one.heatmap, atol=1e-5)
    assert list(opened.predict_many([])) == []


def test_eight_threads_get_the_answers_of_one(opened, tiny):
    cts = slices(tiny)
    alone = [opened.predict(ct) for ct in cts]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            together = list(pool.map(opened.predict, cts))
            for one, other in zip(alone, together, strict=True):
                assert other.probability == one.probability
                assert other.fold_probabilities == one.fold_probabilities
                np.testing.assert_array_equal(other.heatmap, one.heatmap)


def test_the_heat_map_sums_to_the_mean_logit(saved_model, opened, tiny):
    """Exact in the model: its sum and the dense layers' mean bias give the mean logit."""
    inputs = tiny.inputs(8, seed=11)
    logits, heatmaps = opened.run(inputs)
    bias = logits.mean(axis=1) - heatmaps.sum(axis=(1, 2))
    np.testing.assert_allclose(bias, bias[0], atol=1e-5)


def test_the_heat_map_lies_where_the_model_looked(opened):
    """A spot moved from one corner to another changes the map there and nowhere else."""
    corners = (slice(12, 20), slice(8, 16)), (slice(76, 84), slice(48, 56))
    maps = []
    for corner in corners:
        pixels = np.full((96, 64), 40, np.float32)
        pixels[corner] = 200
        answer = opened.predict(CtSlice(pixels, calibrated=False, format="png"))
        assert answer.heatmap.shape == (96, 64) and answer.heatmap.dtype == np.float32
        maps.append(answer.heatmap)
    change = np.abs(maps[1] - maps[0])
    near = np.zeros((96, 64), bool)
    for rows, columns in corners:  # a cell of the map is seven pixels wide here
        near[rows.start - 12 : rows.stop + 12, max(columns.start - 12, 0) : columns.stop + 12] = (
            True
        )
    assert change[near].max() > 100 * change[~near].max()


def test_threshold_and_label(saved_model, opened, tiny):
    answer = opened.predict(slices(tiny, 1)[0])
    assert answer.model == "tiny" and answer.threshold == saved_model.threshold
    assert replace(answer, threshold=answer.probability).label == "fracture"
    assert replace(answer, threshold=np.nextafter(answer.probability, 1)).label == "no fracture"
    assert answer.milliseconds > 0


def test_real_slices_are_answered(opened, shared_data):
    paths = sorted(shared_data.rglob("*.dcm"))[:3]
    assert paths
    for path in paths:
        ct = imaging.read(path)
        answer = opened.predict(ct)
        assert answer.heatmap.shape == ct.pixels.shape
        assert 0 < answer.probability < 1
        assert not answer.input_check.typical  # the model has only seen blobs


# --- opening ---------------------------------------------------------------------------


@pytest.fixture
def copy(saved_model, tmp_path, monkeypatch):
    shutil.copytree(saved_model.path, tmp_path / "models" / "tiny")
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path / "models" / "tiny"


def rewrite_card(folder, **changes):
    card = cards.parse((folder / "card.json").read_bytes())
    (folder / "card.json").write_bytes(cards.dump(replace(card, **changes)))


def test_a_model_stays_open_until_it_is_replaced(copy):
    first = get_predictor("tiny")
    assert get_predictor("tiny") is first and get_predictor() is first
    rewrite_card(copy, calibration=cards.Calibration(3.0, "replaced"))
    second = get_predictor("tiny")
    assert second is not first and second.model.temperature == 3.0


def test_only_so_many_stay_open(copy):
    for index in range(predictor.MAX_OPEN_PREDICTORS + 2):
        shutil.copytree(copy, copy.parent / f"tiny-{index}")
        assert get_predictor(f"tiny-{index}").model.id == f"tiny-{index}"
    assert len(predictor._predictor_cache) <= predictor.MAX_OPEN_PREDICTORS


def test_a_damaged_model_is_refused_though_it_is_open(copy):
    get_predictor("tiny")
    with (copy / "serving.onnx").open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(ModelError, match=r"serving\.onnx does not match"):
        get_predictor("tiny")


def test_a_file_that_is_no_network_is_a_model_error(copy):
    (copy / "serving.onnx").write_bytes(b"not a network")
    digest, size = repository.hash_file(copy / "serving.onnx")
    card = cards.parse((copy / "card.json").read_bytes())
    rewrite_card(copy, files={**card.files, "serving.onnx": cards.FileRecord(digest, size)})
    with pytest.raises(ModelError, match="cannot be opened in ONNX Runtime"):
        get_predictor("tiny")
