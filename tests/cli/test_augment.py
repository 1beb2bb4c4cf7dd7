"""`spinefrac augment` and `spinefrac train --augmentation`, as a user types them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from spinefrac.access.policy import LOCAL
from spinefrac.cli import main
from spinefrac.training.augmentation.config import PRESETS, AugmentationConfig
from spinefrac.training.augmentation.presets import save


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(5)
    for kind in ("fracture", "normal"):
        (tmp_path / "slices" / kind).mkdir(parents=True)
        for number in range(3):
            picture = cv2.resize(rng.integers(0, 256, (20, 20), np.uint8), (80, 80))
            assert cv2.imwrite(str(tmp_path / "slices" / kind / f"P{number}_1.png"), picture)
    (tmp_path / "slices/normal/broken.png").write_bytes(b"nothing")
    return tmp_path / "slices"


def test_copies_are_written_and_counted(data: Path, tmp_path: Path, capsys) -> None:
    save(LOCAL, "mine", AugmentationConfig(rotation=(1, 2)))
    out = tmp_path / "out"
    arguments = ["augment", data, out, "--augmentation", "mine", "--copies", 2, "--size", 64]
    assert main([*map(str, arguments), "--json"]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert (result["slices"], result["copies"], result["seed"]) == (6, 12, 0)
    assert result["left_out"][0]["path"] == "normal/broken.png" in said.err
    assert len(list(out.rglob("*-augmented?.png"))) == 12
    assert "rotation: {range: [1, 2], probability: 1}" in (out / "augmentation.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--augmentation", "wild"], 2, "there are off, light, standard, strong"),
        (["--copies", "0"], 2, "'--copies'"),
        (["--size", "5"], 2, "'--size'"),
        (["--group-by", "csv:nobody"], 1, "column 'nobody'"),
    ],
)
def test_what_does_not_fit_is_one_line(
    arguments: list[str], status: int, said: str, data: Path, tmp_path: Path, capsys
) -> None:
    assert main(["augment", str(data), str(tmp_path / "out"), *arguments]) == status
    error = capsys.readouterr().err.strip()
    assert said in error and len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_copy_never_lands_on_anything(data: Path, tmp_path: Path, capsys) -> None:
    assert main(["augment", str(data), str(data / "copies")]) == 1
    assert "outside the data set" in capsys.readouterr().err
    assert main(["augment", str(data), str(tmp_path)]) == 1
    assert main(["augment", str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_train_takes_a_file_and_refuses_a_wrong_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    file = tmp_path / "turns.yaml"
    file.write_text("rotation: 400\n")
    assert main(["train", str(data), "--name", "a", "--augmentation", str(file)]) == 2
    assert "turns.yaml: augmentation rotation must lie" in capsys.readouterr().err
    assert PRESETS["standard"] == AugmentationConfig()
