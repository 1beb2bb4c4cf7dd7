"""The child process of an import: what it verifies before it writes a model's networks."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import import_worker
from spinefrac.records import Preprocessing
from spinefrac.store import card as cards
from spinefrac.store import repository
from tests.support.onnx_network import SIDE, onnx_network

DECLARED = {"size": None, "channels": None, "scale": "0..1", "output": None, "positive_class": 1}


@pytest.fixture
def folder(small, tmp_path):
    """A copy of a small saved model's folder."""
    return shutil.copytree(small.path, tmp_path / "copy")


def sign_anew(folder, **change) -> None:
    """Write the card again, with the hashes of the files as they are now."""
    card = cards.parse((folder / "card.json").read_bytes())
    files = {name: cards.FileRecord(*repository.hash_file(folder / name)) for name in card.files}
    (folder / "card.json").write_bytes(cards.dump(replace(card, files=files, **change)))


def test_an_onnx_file_becomes_a_serving_file(tmp_path):
    (tmp_path / "net.onnx").write_bytes(onnx_network().SerializeToString())
    task = {
        "format": "onnx",
        "file": str(tmp_path / "net.onnx"),
        "folder": str(tmp_path),
        "user_io": DECLARED,
        "preprocessing": Preprocessing(bone_crop=False).to_dict(),
    }
    result = import_worker.handle_task(task)
    assert result["io_spec"]["size"] == SIDE and result["io_spec"]["output"] == "softmax"
    assert 0 <= result["difference"] < 1e-3
    assert result["parameters"] == 4 * 3 * 5 * 5 + 4 * 2 + 2
    assert (tmp_path / "serving.onnx").is_file()


def test_a_whole_folder_is_accepted(folder):
    task = {"format": "folder", "file": "", "folder": str(folder)}
    assert import_worker.handle_task(task) == {}


def test_other_outputs_than_the_card_states_are_refused(folder):
    sign_anew(folder, heatmap="exact")
    with pytest.raises(ModelError, match="other outputs than heatmaps, logits"):
        import_worker.check_saved_model(folder)


def test_a_changed_file_is_refused(folder):
    content = bytearray((folder / "serving.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "serving.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"serving\.onnx"):
        import_worker.check_saved_model(folder)


def test_other_probabilities_than_the_source_are_refused(small):
    size = small.preprocessing.size
    images = np.random.default_rng(0).integers(0, 256, (4, size, size)).astype(np.uint8)
    logits = import_worker._run_onnx(small.onnx_path, images)[:, 0].astype(np.float64)
    assert import_worker._compare_logits(logits, small.onnx_path, images) == 0
    with pytest.raises(ModelError, match="other probabilities in ONNX Runtime"):
        import_worker._compare_logits(logits + 0.1, small.onnx_path, images)
