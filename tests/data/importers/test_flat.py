"""Import of a folder with a table."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from spinefrac.data import phantom
from spinefrac.data.importers import import_dataset
from spinefrac.data.scan import scan
from spinefrac.errors import DatasetError
from tests.support.rsna import write_table


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


def test_a_flat_folder_under_other_column_names(tmp_path):
    phantom.write_phantom(tmp_path / "p", patients=4, slices=3, seed=1, size=256)
    flat = tmp_path / "flat"
    flat.mkdir()
    rows = []
    for file in sorted((tmp_path / "p").glob("[fn]*/*.png")):
        shutil.copy(file, flat / file.name)
        rows.append((file.name, int(file.parent.name == "fracture"), file.name[:4]))
    write_table(tmp_path / "mine.csv", "Filename,Fracture,Patient_ID", rows)
    result = import_dataset("flat", flat, tmp_path / "out", labels=tmp_path / "mine.csv")
    assert (result.slices, result.groups) == (12, 4)
    assert scan(tmp_path / "out").group_rule == "by the column patient of labels.csv"
    write_table(tmp_path / "bad.csv", "file,label", [("../p/phantom.json", 1)])
    with pytest.raises(DatasetError, match="inside the folder"):
        import_dataset("flat", flat, tmp_path / "other", labels=tmp_path / "bad.csv")
    assert not (tmp_path / "other").exists()


def test_positions_follow_the_names_in_whatever_order_the_table_is(tmp_path):
    for label in (0, 1):
        (tmp_path / f"flat/{('normal', 'fracture')[label]}").mkdir(parents=True)
    rows = []
    for number in sorted(range(1, 13), key=str):
        path = f"{('normal', 'fracture')[number in (9, 10)]}/{number}.png"
        rng = np.random.default_rng(number)
        cv2.imwrite(str(tmp_path / "flat" / path), rng.integers(0, 255, (64, 64), dtype=np.uint8))
        rows.append((path, int(number in (9, 10)), "P1"))
    write_table(tmp_path / "mine.csv", "path,label,patient", rows)
    import_dataset("flat", tmp_path / "flat", tmp_path / "out", labels=tmp_path / "mine.csv")
    places = {int(Path(item.path).stem): item.position for item in scan(tmp_path / "out").items}
    assert places == {number: number for number in range(1, 13)}
