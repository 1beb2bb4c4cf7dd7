"""The input of the page: files that are grouped into series or single slices."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from spinefrac.data.phantom.dicom import to_dicom
from spinefrac.data.phantom.rendering import Series, render
from tests.support.app import html, run_page
from tests.support.app import page as open_page

pytestmark = pytest.mark.usefixtures("from_checkout")


@pytest.fixture(scope="module")
def archive() -> bytes:
    """A ZIP with two series of three slices, and a file that is no image."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for seed in (1, 2):
            series = Series(patients=1, slices=3, seed=seed, difficulty="easy", size=256)
            for n in range(3):
                image = render(0, n, patients=1, slices=3, seed=seed, size=256)
                file.writestr(f"{seed}/{n}", to_dicom(image, series, 0, n))
        file.writestr("letter.pdf", b"%PDF-1.7 no slice")
    return buffer.getvalue()


def test_one_of_several_series_is_chosen_and_unreadable_files_are_listed(
    demonstration: Path, archive: bytes
) -> None:
    app = run_page("predict")
    app.file_uploader[0].upload("series.zip", archive, "application/zip").run()
    assert not app.exception and not app.error
    (choice,) = (box for box in app.selectbox if box.label == "Series")
    assert len(choice.options) == 2 and all("3 slices" in name for name in choice.options)
    assert [entry.label for entry in app.expander if "skipped" in entry.label] == [
        "1 file skipped (unreadable)"
    ]
    choice.select_index(1).run()
    assert choice.options[1].split(" ·")[0] in html(app)


def test_where_no_file_can_be_read_the_reasons_are_open(demonstration: Path) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("letter.pdf", b"%PDF-1.7 no slice")
        file.writestr("empty.dcm", b"")
    app = run_page("predict")
    app.file_uploader[0].upload("letters.zip", buffer.getvalue(), "application/zip").run()
    assert not app.exception
    (entry,) = (box for box in app.expander if "can be read" in box.label)
    assert entry.proto.expanded
    assert "a PDF document" in html(app) and "empty.dcm: " not in html(app)


def test_a_single_unreadable_file_is_an_error_in_one_line(demonstration: Path) -> None:
    app = run_page("predict")
    app.file_uploader[0].upload("letter.pdf", b"%PDF-1.7 no slice", "").run()
    (error,) = app.error
    assert "PDF" in error.value and "\n" not in error.value


def test_the_address_keeps_a_sample(demonstration: Path) -> None:
    app = run_page("predict")
    app.button(key="sample-0").click().run()
    assert app.query_params["sample"] in ("fracture-1", ["fracture-1"])
    assert not app.exception and "Label of this synthetic slice" in html(app)
    again = open_page("predict")
    again.query_params["sample"] = "fracture-1"
    again.run()
    assert not again.exception and "Label of this synthetic slice" in html(again)
    again.file_uploader[0].upload("letter.pdf", b"%PDF-1.7 no slice", "").run()
    assert "sample" not in again.query_params
