"""Headers: only the elements that are named, and no patient in what is passed on."""

import io

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from spinefrac.errors import ImageError
from spinefrac.imaging.formats import dicom_header


def summarize(content: bytes) -> dicom_header.DicomHeader:
    header, _ = dicom_header.read_header(io.BytesIO(content), dicom_header.SUMMARY_TAGS)
    return dicom_header.summarize_header(header)


def test_only_named_elements_are_read(make_dicom, stored_values):
    file = io.BytesIO(make_dicom(stored_values))
    header, syntax = dicom_header.read_header(file, [0x00280010])
    assert syntax == ExplicitVRLittleEndian
    assert header.Rows == stored_values.shape[0] and "PatientName" not in header
    assert file.read(4) == b"\xe0\x7f\x10\x00"  # the pixels come next


def test_the_summary_knows_of_names_and_does_not_hold_them(make_dicom, stored_values):
    found = summarize(make_dicom(stored_values, StudyDate="20240102", PatientID=None))
    assert found.has_identity and found.has_dates
    assert "Secret" not in repr(found) and "20240102" not in repr(found)


@pytest.mark.parametrize("removed", ["YES", " yes "])
def test_a_deidentified_header_has_no_identity(make_dicom, stored_values, removed):
    found = summarize(make_dicom(stored_values, PatientIdentityRemoved=removed, StudyDate="2024"))
    assert not found.has_identity and not found.has_dates


def test_the_scanner_is_decoded_by_its_character_set(make_dicom, stored_values):
    found = summarize(
        make_dicom(stored_values, SpecificCharacterSet="ISO_IR 100", Manufacturer="Münchner Werke",
                   ManufacturerModelName="Scanner 3", ConvolutionKernel="B60f", KVP="120")
    )  # fmt: skip
    assert found.scanner == "Münchner Werke Scanner 3 B60f 120"


def test_values_are_texts_and_what_is_no_value_is_left_out(make_dicom, stored_values):
    content = make_dicom(
        stored_values, SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg",
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0], AccessionNumber="", Manufacturer="x" * 1025,
    ).replace(b"1.0\\0.0\\0.0\\0.0", b"1.0\\0.0\\x.x\\0.0")  # fmt: skip
    names = ("PatientName", "Rows", "AccessionNumber", "Manufacturer", "PixelData", "StudyDate",
             "ImageOrientationPatient", "NoSuchElement")  # fmt: skip
    found, is_complete = dicom_header.read_values(io.BytesIO(content), names)
    assert is_complete
    assert found == {"PatientName": ["Müller^Jörg"], "Rows": [str(stored_values.shape[0])]}


def test_a_header_without_file_meta_is_read(make_dicom, stored_values):
    content = make_dicom(stored_values, bare=True)
    header, _ = dicom_header.read_header(io.BytesIO(content), [0x00280011])
    assert header.Columns == stored_values.shape[1]


def test_an_unsupported_syntax_is_refused(make_dicom, stored_values):
    content = make_dicom(stored_values).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.1\0")
    with pytest.raises(ImageError, match="transfer syntax for single images"):
        dicom_header.read_header(io.BytesIO(content), [0x00280010])


@pytest.mark.parametrize(
    ("value", "number"),
    [("1.5", 1.5), ("", None), (None, None), ("nan", None), ("inf", None), ("-1024,0 ", -1024),
     ("0,39\\0,39", None), ("1,000,000", None), ("1,000.5", None), (",", None)],
)  # fmt: skip
def test_numbers(value, number):
    assert dicom_header.to_float(value) == number


@pytest.mark.parametrize(
    ("value", "number"),
    [("7", 7), ("7.0", 7), ("+ 7", None), ("x", None), ("4561151171121051101", None), (None, None)],
)
def test_whole_numbers(value, number):
    assert dicom_header.to_int(value) == number


def test_a_header_of_thousands_of_elements_is_not_read(make_dicom, stored_values, monkeypatch):
    content = make_dicom(stored_values)
    monkeypatch.setattr(dicom_header, "MAX_ELEMENTS", 5)
    with pytest.raises(ImageError, match="at most 5 elements"):
        dicom_header.read_header(io.BytesIO(content), [0x00280011])
