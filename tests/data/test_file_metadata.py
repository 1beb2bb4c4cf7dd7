"""What a file's storage, brightness and header say of it, and that patients stay out of it."""

import cv2
import numpy as np
import pydicom
import pytest

from spinefrac import imaging
from spinefrac.data import file_metadata, phantom
from spinefrac.data.file_metadata import NUMERIC_FEATURES, PRIVACY_ISSUES, read_file_metadata
from spinefrac.data.scan import examine
from spinefrac.imaging import decoder_pool

SECRET = "SECRETLASTNAME"


@pytest.fixture
def dicom(tmp_path):
    """A synthetic slice as DICOM, and a function that changes its header."""
    folder = tmp_path / "set"
    phantom.write_phantom(folder, patients=2, slices=1, seed=1, format="dicom", size=256, workers=1)
    path = next(folder.rglob("*.dcm"))

    def change(**elements):
        dataset = pydicom.dcmread(path)
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)
        return path

    return change


def describe(path):
    ct, header = imaging.read_with_header(path)
    return read_file_metadata(path, ct, imaging.to_display(ct), header)


def issues(path):
    return {PRIVACY_ISSUES[number] for number in describe(path).privacy_issues}


def test_the_scanner_and_the_position_come_from_the_header(dicom):
    found = describe(dicom(ConvolutionKernel=["B60f", "3"], Manufacturer="Münchner Werke"))
    assert found.scanner.startswith("Münchner Werke generator ")
    assert found.scanner.endswith(" ['B60f', '3'] 120")
    assert (found.format, found.mode, found.bits) == ("dicom", "HU, 12 bit", 12)
    assert describe(dicom(ImagePositionPatient=["0", "0", "-7.5"])).position == -7.5


def test_a_grey_image_has_a_position_by_its_name_only(tmp_path):
    path = tmp_path / "slice_012.png"
    cv2.imwrite(str(path), np.full((20, 30), 90, np.uint8))
    found = describe(path)
    assert (found.mode, found.size, found.scanner) == ("grey, 8 bit", "20×30", "")
    assert found.position == 12
    values = dict(zip(NUMERIC_FEATURES, found.numeric_features.tolist(), strict=True))
    assert values["mean brightness"] == 90 and values["spread of brightness"] < 1e-3
    assert values["file size"] == path.stat().st_size


def test_identity_and_dates_are_found_and_not_kept(dicom):
    path = dicom(PatientName=f"{SECRET}^ANN", PatientBirthDate="19600102")
    assert {PRIVACY_ISSUES[0], PRIVACY_ISSUES[1]} <= issues(path)
    assert SECRET not in repr(describe(path)) and "19600102" not in repr(describe(path))
    assert SECRET not in repr(imaging.read_with_header(path)[1])


def test_a_deidentified_header_is_no_issue(dicom):
    assert issues(dicom(PatientIdentityRemoved="YES")) == set()


@pytest.mark.parametrize(("value", "issue"), [("YES", 2), ("", 3), ("NO", None)])
def test_burned_in_annotation(dicom, value, issue):
    found = issues(dicom(BurnedInAnnotation=value, PatientIdentityRemoved="YES"))
    assert found == (set() if issue is None else {PRIVACY_ISSUES[issue]})


def test_text_in_a_corner_looks_like_text():
    image = np.zeros((256, 256), np.uint8)
    assert not any(map(file_metadata._looks_like_text, file_metadata.crop_corners(image, 1 / 4)))
    cv2.putText(image, "DOE J", (2, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1)
    corners = file_metadata.crop_corners(image, 1 / 4)
    assert [file_metadata._looks_like_text(corner) for corner in corners] == [True] + 3 * [False]


def test_a_header_is_parsed_once(dicom, monkeypatch):
    """Pixels, groups and metadata of a file share one parse of its header."""
    path = dicom()
    parse, parsed = pydicom.filereader.read_preamble, []

    def counting(file, *arguments, **options):
        parsed.append(file)
        return parse(file, *arguments, **options)

    monkeypatch.setattr(pydicom.filereader, "read_preamble", counting)
    imaging.read_with_header(path)
    assert len(parsed) == 1
    pool, calls = decoder_pool.get_pool(), []
    call = pool.call

    def counting_calls(function, *args, **options):
        calls.append(function.__name__)
        return call(function, *args, **options)

    monkeypatch.setattr(pool, "call", counting_calls)
    assert len(examine(path.parents[1]).dataset.items) == len(calls) == 2
