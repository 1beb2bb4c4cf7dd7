"""Boxes and masks end where their slice's pixels end in the model's input."""

import cv2
import numpy as np
import pytest

from spinefrac.data import places
from spinefrac.data.phantom.write import write_phantom
from spinefrac.data.places import MASK, describe_places, draw_boxes, draw_mask, load_places
from spinefrac.data.scan import scan
from spinefrac.errors import DatasetError
from spinefrac.records import Preprocessing, Square

SMALL = Preprocessing(size=96)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places") / "phantom"
    write_phantom(folder, patients=3, slices=4, seed=5, size=256, workers=1)
    return folder


@pytest.fixture
def marked(phantom, tmp_path):
    """A copy of the phantom without its masks."""
    for kind in ("fracture", "normal"):
        (tmp_path / kind).mkdir()
        for path in (phantom / kind).iterdir():
            (tmp_path / kind / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_the_masks_of_a_phantom_lie_where_its_slices_were_cut(phantom) -> None:
    """The slice with its fracture painted white, and preprocessed, is white where the map is."""
    dataset = scan(phantom)
    found = load_places(dataset, SMALL)
    assert found.rows.tolist() == np.flatnonzero(dataset.labels).tolist()
    assert found.n_masks == len(found.rows) and set(np.unique(found.maps)) == {0, MASK}
    item = dataset.items[found.rows[0]]
    mask = cv2.imread(str(phantom / "masks" / item.path.split("/")[1]), cv2.IMREAD_GRAYSCALE)
    square = places.imaging.to_input(places._read(phantom, phantom / item.path), SMALL).square
    rows, columns = np.nonzero(mask)
    centre = (np.mean(rows) - square.top, np.mean(columns) - square.left)
    drawn = np.argwhere(found.maps[0]).mean(axis=0)
    assert np.allclose(drawn, np.array(centre) * 96 / square.side, atol=1.5)
    assert "by a mask" in describe_places(found, dataset)


def test_a_box_covers_what_it_touches_and_is_cut_at_the_border() -> None:
    square = Square(top=-20, left=10, side=80)
    drawn = draw_boxes(((20.0, 0.0, 9.0, 10.0), (0.0, 0.0, 5.0, 5.0)), square, 40)
    assert np.argwhere(drawn == 1).min(axis=0).tolist() == [10, 5]
    assert np.argwhere(drawn == 1).max(axis=0).tolist() == [14, 9]
    assert not (drawn == 2).any()  # outside the square


@pytest.mark.parametrize("side", [16, 64, 200])
def test_a_thin_line_stays_whole_at_any_scale(side: int) -> None:
    mask = np.eye(64, dtype=bool)
    drawn = draw_mask(mask, Square(0, 0, 64), side)
    count, _ = cv2.connectedComponents(drawn, connectivity=8)
    assert count == 2 and (drawn.any(axis=0)).all() and (drawn.any(axis=1)).all()


def test_a_few_boxes_are_found_and_said(marked) -> None:
    name = min(path.name for path in (marked / "fracture").iterdir())
    table = f"path,x,y,width,height\nfracture/{name},100,100,30,30\n"
    (marked / "boxes.csv").write_text(table)
    dataset = scan(marked)
    found = load_places(dataset, SMALL)
    assert len(found.rows) == 1 and set(np.unique(found.maps)) == {0, 1}
    said = describe_places(found, dataset)
    assert said.startswith(f"The place of the fracture is marked in 1 of {dataset.labels.sum()}")
    assert "1 by boxes" in said


def test_no_mark_and_a_box_on_a_normal_slice_are_none(marked) -> None:
    assert load_places(scan(marked), SMALL) is None
    name = min(path.name for path in (marked / "normal").iterdir())
    (marked / "boxes.csv").write_text(f"path,x,y,width,height\nnormal/{name},90,90,30,30\n")
    assert load_places(scan(marked), SMALL) is None


@pytest.mark.parametrize(
    ("content", "said"), [(np.ones((9, 9), np.uint8), "9×9"), (None, "cannot be read")]
)
def test_a_mask_that_does_not_fit_is_named(marked, content, said: str) -> None:
    name = min(path.name for path in (marked / "fracture").iterdir())
    (marked / "masks").mkdir()
    data = b"no image" if content is None else cv2.imencode(".png", content)[1].tobytes()
    (marked / "masks" / name).write_bytes(data)
    with pytest.raises(DatasetError, match=said):
        load_places(scan(marked), SMALL)
