"""DICOM as the standard allows it, from small files made here."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from fuzz import codestreams, dicom_files
from spinefrac import imaging
from spinefrac.errors import ImageError

SYNTAXES = [
    "RLELossless",
    "JPEGLosslessProcess14",
    "JPEGLosslessProcess14_1",
    "JPEGLSLossless",
    "JPEG2000Lossless",
]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_lossless_syntaxes_give_the_same_units(make_dicom, compress, stored_values, syntax) -> None:
    ct = imaging.read(compress(make_dicom(stored_values), syntax))
    assert ct.calibrated and ct.bits == 12
    np.testing.assert_array_equal(ct.pixels, stored_values.astype(float) - 1024)


def test_baseline_jpeg_is_close(make_dicom, compress, stored_values) -> None:
    grey = (stored_values // 8).astype(np.uint8)
    ct = imaging.read(compress(make_dicom(grey), "JPEGBaselineProcess1"))
    assert np.abs(ct.pixels - (grey.astype(float) - 1024)).mean() < 4


def encapsulated(frames: list[bytes], basic: list[int], extended: list[int]) -> bytes:
    """A JPEG-LS file of 12×10 pixels, 12 bits, with the frames that the offset tables give."""
    header = dicom_files.Header(JPEGLSLossless, 12, 10, 1, 16, 12, frames=len(basic or extended))
    items = [struct.pack("<HHI", 0xFFFE, 0xE000, len(frame)) + frame for frame in frames]
    table = struct.pack(f"<HHI{len(basic)}I", 0xFFFE, 0xE000, 4 * len(basic), *basic)
    offsets = struct.pack(f"<{len(extended)}Q", *extended)
    lengths = struct.pack(f"<{len(extended)}Q", *[len(frames[0])] * len(extended))
    return dicom_files.write(header, table + b"".join(items), offsets, lengths)


def jpeg_ls(shift: int) -> bytes:
    """A JPEG-LS frame of 12×10 pixels, padded to an even length."""
    image = codestreams.phantom_image(12, 10, 1, 12) // 2 + np.uint16(shift)
    frame = codestreams.ENCODERS["jpeg-ls"](image, 12, 0)
    return frame + b"\0" * (len(frame) % 2)


@pytest.mark.parametrize(
    ("basic", "extended", "expected"),
    [([0], [], 0), ([1], [], 5), ([], [0], 0), ([], [1], 5), ([0], [1], 5), ([1], [0], 0)],
)
def test_the_frame_that_is_checked_is_the_frame_that_is_decoded(basic, extended, expected) -> None:
    frames = [jpeg_ls(0), jpeg_ls(5)]
    assert len(frames[0]) == len(frames[1])
    size = 8 + len(frames[0])
    content = encapsulated(frames, [size * n for n in basic], [size * n for n in extended])
    first = codestreams.phantom_image(12, 10, 1, 12) // 2 - 1024.0
    np.testing.assert_array_equal(imaging.read(content).pixels, first + expected)


def test_an_offset_table_that_points_at_another_codestream_is_refused() -> None:
    wrong = codestreams.encode("jpeg-ls", 16, 24, 1, 12, 0)
    wrong += b"\0" * (len(wrong) % 2)
    content = encapsulated([jpeg_ls(0), wrong], [0], [8 + len(jpeg_ls(0))])
    with pytest.raises(ImageError):
        imaging.read(content)


def test_a_frame_of_several_fragments_is_joined() -> None:
    frame = jpeg_ls(3)
    pieces = [frame[:40], frame[40:90], frame[90:]]
    ct = imaging.read(encapsulated(pieces, [0], []))
    expected = codestreams.phantom_image(12, 10, 1, 12) // 2 - 1021.0
    np.testing.assert_array_equal(ct.pixels, expected)


@pytest.mark.parametrize("bits", [2, 5, 7, 8, 9, 12, 15, 16])
@pytest.mark.parametrize("kind", ["jpeg-lossless", "jpeg-ls"])
def test_every_precision_of_the_lossless_syntaxes(kind: str, bits: int) -> None:
    syntax = JPEGLSLossless if kind == "jpeg-ls" else JPEGLosslessSV1
    ct = imaging.read(dicom_files.valid_file(syntax, 16, 17, bits))
    np.testing.assert_array_equal(ct.pixels, codestreams.phantom_image(16, 17, 1, bits) - 1024.0)


def test_12_bit_lossy_jpeg_is_named(make_dicom, compress, stored_values) -> None:
    with pytest.raises(ImageError, match="12-bit"):
        imaging.read(compress(make_dicom(stored_values), "JPEGExtendedProcess2_4"))


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, "1.2.840.10008.1.2.1", ExplicitVRBigEndian]
)
def test_uncompressed_with_and_without_preamble(make_dicom, stored_values, syntax, bare) -> None:
    if bare and syntax == ExplicitVRBigEndian:
        pytest.skip("big endian is only known from the file meta")
    ct = imaging.read(make_dicom(stored_values, syntax, bare=bare))
    np.testing.assert_array_equal(ct.pixels, stored_values.astype(float) - 1024)


def test_signed_values_slope_and_intercept(make_dicom, stored_values) -> None:
    signed = stored_values.astype(np.int16) - 1000
    ct = imaging.read(make_dicom(signed, RescaleSlope="0.5", RescaleIntercept="10"))
    np.testing.assert_array_equal(ct.pixels, signed * 0.5 + 10)


def test_monochrome1_leaves_calibrated_ct_alone(make_dicom, stored_values) -> None:
    ct = imaging.read(make_dicom(stored_values, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(ct.pixels, stored_values.astype(float) - 1024)


def test_monochrome1_inverts_a_picture(make_dicom) -> None:
    grey = np.arange(48 * 40, dtype=np.uint16).reshape(48, 40).astype(np.uint8)
    ct = imaging.read(
        make_dicom(
            grey,
            SOPClassUID=SecondaryCaptureImageStorage,
            RescaleSlope=None,
            RescaleIntercept=None,
            PhotometricInterpretation="MONOCHROME1",
        )
    )
    assert not ct.calibrated
    np.testing.assert_array_equal(ct.pixels, 255.0 - grey)


def test_a_secondary_capture_uses_its_own_window(make_dicom, stored_values) -> None:
    ct = imaging.read(
        make_dicom(
            stored_values,
            SOPClassUID=SecondaryCaptureImageStorage,
            WindowCenter=["100", "7"],
            WindowWidth=["400", "9"],
        )
    )
    expected = np.clip((stored_values.astype(float) - 1024 + 100) / 400 * 255, 0, 255)
    assert not ct.calibrated and ct.window is None
    np.testing.assert_allclose(ct.pixels, expected, atol=1e-3)


def test_ct_without_rescale_is_a_picture(make_dicom, stored_values) -> None:
    ct = imaging.read(make_dicom(stored_values, RescaleSlope=None, RescaleIntercept=None))
    assert not ct.calibrated and (ct.pixels.min(), ct.pixels.max()) == (0, 255)
    assert "without Hounsfield units" in ct.implausible


def write_text(content: bytes, tag: bytes, old: bytes, new: bytes) -> bytes:
    """Return a file with another text of the same length in an element."""
    where = content.index(tag)
    assert content[where + 8 : where + 8 + len(old)] == old and len(old) == len(new)
    return content[: where + 8] + new + content[where + 8 + len(old) :]


SLOPE, INTERCEPT = b"\x28\0\x53\x10DS", b"\x28\0\x52\x10DS"


def test_decimal_commas_are_read(make_dicom, stored_values) -> None:
    content = make_dicom(
        stored_values, RescaleSlope="1.50", RescaleIntercept="-1024.0", PixelSpacing=["0.5", "0.4"],
        WindowCenter="40.5", WindowWidth="400.0",
    )  # fmt: skip
    expected = imaging.read(content)
    for tag, old in (
        (SLOPE, b"1.50"),
        (INTERCEPT, b"-1024.0"),
        (b"\x28\0\x30\0DS", b"0.5\\0.4"),
        (b"\x28\0\x50\x10DS", b"40.5"),
        (b"\x28\0\x51\x10DS", b"400.0"),
    ):
        content = write_text(content, tag, old, old.replace(b".", b","))
    ct = imaging.read(content)
    np.testing.assert_array_equal(ct.pixels, expected.pixels)
    assert (ct.calibrated, ct.spacing_mm, ct.window) == (True, (0.5, 0.4), (40.5, 400.0))


@pytest.mark.parametrize(
    ("tag", "old", "new", "keyword"),
    [
        (SLOPE, b"1.5000", b"Secret", "RescaleSlope"),
        (SLOPE, b"1.5000", b"0.0000", "RescaleSlope"),
        (SLOPE, b"1.5000", b"1,5,00", "RescaleSlope"),
        (INTERCEPT, b"-1024.", b"nan   ", "RescaleIntercept"),
    ],
)
def test_unreadable_rescale_of_ct_is_refused(make_dicom, stored_values, tag, old, new, keyword):
    content = make_dicom(stored_values, RescaleSlope="1.5000", RescaleIntercept="-1024.")
    with pytest.raises(ImageError, match=f"expected a number as {keyword} of a CT") as caught:
        imaging.read(write_text(content, tag, old, new))
    assert "Secret" not in str(caught.value)


def test_a_secondary_capture_with_an_unreadable_rescale_is_a_picture(make_dicom, stored_values):
    content = make_dicom(
        stored_values, SOPClassUID=SecondaryCaptureImageStorage, RescaleSlope="1.5000"
    )
    ct = imaging.read(write_text(content, SLOPE, b"1.5000", b"abcdef"))
    assert not ct.calibrated and not ct.implausible


def test_ct_whose_values_are_no_hounsfield_units_is_named(make_dicom, stored_values) -> None:
    assert imaging.read(make_dicom(stored_values)).implausible == ""
    without = imaging.read(make_dicom(stored_values, RescaleIntercept="0"))
    assert without.calibrated and "none is below 0" in without.implausible
    signed = (stored_values.astype(np.int16) - 1024).view(np.uint16)
    wrapped = imaging.read(make_dicom(signed, RescaleIntercept="0", BitsStored=16, HighBit=15))
    assert "saved as unsigned" in wrapped.implausible


@pytest.mark.parametrize("limit", [None, 40])
def test_padding_is_air(make_dicom, stored_values, limit) -> None:
    padded = stored_values.copy()
    padded[:3] = 0
    elements = {"PixelPaddingValue": 0}
    if limit is not None:
        elements["PixelPaddingRangeLimit"] = limit
    ct = imaging.read(make_dicom(padded, RescaleIntercept="-500", **elements))
    air = padded <= (limit or 0)
    np.testing.assert_array_equal(ct.pixels, np.where(air, -1024.0, padded - 500.0))


def test_signed_padding(make_dicom, stored_values) -> None:
    signed = stored_values.astype(np.int16)
    signed[0] = -2000
    ct = imaging.read(make_dicom(signed, PixelPaddingValue=-2000))
    assert (ct.pixels[0] == -1024).all() and (ct.pixels[1:] == signed[1:] - 1024).all()


def test_first_window_and_spacing(make_dicom, stored_values) -> None:
    ct = imaging.read(
        make_dicom(
            stored_values,
            WindowCenter=["400", "40"],
            WindowWidth=["1800", "300"],
            PixelSpacing=["0.5", "0.25"],
        )
    )
    assert (ct.window, ct.spacing_mm) == ((400, 1800), (0.5, 0.25))


def test_frames_of_an_enhanced_ct(make_dicom, stored_values) -> None:
    def item(**elements: object) -> Dataset:
        dataset = Dataset()
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        return dataset

    frames = np.stack([stored_values + step for step in (0, 10, 20)]).astype(np.uint16)
    per_frame = [
        item(
            PixelValueTransformationSequence=[
                item(RescaleSlope="1", RescaleIntercept=str(-1000 - 100 * i))
            ],
            FrameVOILUTSequence=[item(WindowCenter=str(i), WindowWidth="100")],
        )
        for i in range(3)
    ]
    shared = item(PixelMeasuresSequence=[item(PixelSpacing=["0.7", "0.8"])])
    content = make_dicom(
        frames,
        SOPClassUID=EnhancedCTImageStorage,
        RescaleSlope=None,
        RescaleIntercept=None,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=per_frame,
    )
    middle, last = imaging.read(content), imaging.read(content, slice_index=2)
    assert (middle.slice_index, middle.slice_count, middle.window, middle.spacing_mm) == (
        1,
        3,
        (1, 100),
        (0.7, 0.8),
    )
    np.testing.assert_array_equal(last.pixels, frames[2] - 1200.0)
    with pytest.raises(ImageError, match="frame from 0 to 2, got 3"):
        imaging.read(content, slice_index=3)


def test_colour_secondary_capture(make_dicom) -> None:
    rgb = np.zeros((8, 8, 3), np.uint8)
    rgb[..., 0] = 200
    ct = imaging.read(
        make_dicom(
            rgb, SOPClassUID=SecondaryCaptureImageStorage, RescaleSlope=None, RescaleIntercept=None
        )
    )
    assert ct.colour and not ct.calibrated
    np.testing.assert_allclose(ct.pixels, 0.299 * 200, atol=0.1)


def test_rle_by_pydicom(make_dicom, stored_values) -> None:
    dataset = dcmread(io.BytesIO(make_dicom(stored_values)))
    dataset.compress(RLELossless, generate_instance_uid=False)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    np.testing.assert_array_equal(imaging.read(buffer.getvalue()).pixels, stored_values - 1024.0)


def test_codestream_of_another_size_is_refused(make_dicom, compress, stored_values) -> None:
    for syntax in SYNTAXES[1:]:
        dataset = dcmread(io.BytesIO(compress(make_dicom(stored_values), syntax)))
        dataset.Rows = 2 * dataset.Rows
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        with pytest.raises(ImageError, match="agree with its header"):
            imaging.read(buffer.getvalue())


@pytest.mark.parametrize(
    "elements",
    [
        {"Rows": 0},
        {"BitsAllocated": 7},
        {"SamplesPerPixel": 2},
        {"Rows": 60000, "Columns": 60000},
        {"NumberOfFrames": 10**6},
        {"Rows": None},
        {"Rows": 49},
    ],
)
def test_headers_that_no_image_has(make_dicom, stored_values, elements) -> None:
    with pytest.raises(ImageError) as caught:
        imaging.read(make_dicom(stored_values, **elements))
    assert "Secret" not in str(caught.value)


def test_messages_and_warnings_name_no_patient(
    make_dicom, stored_values, tmp_path: Path, recwarn
) -> None:
    content = make_dicom(stored_values, PatientID="Secret" * 20, AccessionNumber="x" * 40)
    path = tmp_path / "a.dcm"
    path.write_bytes(content[:-50])
    with pytest.raises(ImageError) as caught:
        imaging.read(path)
    assert str(caught.value).startswith("a.dcm: expected ") and "\n" not in str(caught.value)
    _, header = imaging.read_with_header(content)
    assert header.tags.patient_id == "Secret" * 20
    assert not [w for w in recwarn if "Secret" in str(w.message)]
    assert "Secret" not in str(caught.value)


def test_tags_of_a_slice(make_dicom, stored_values) -> None:
    content = make_dicom(
        stored_values,
        InstanceNumber="12",
        ImagePositionPatient=["1", "2", "-33.5"],
        StudyInstanceUID="1.2",
        SeriesInstanceUID="1.2.9",
    )
    tags = imaging.read_with_header(content)[1].tags
    assert (
        tags.patient_id,
        tags.study_instance_uid,
        tags.series_instance_uid,
        tags.instance_number,
        tags.position_mm,
    ) == (
        "P7",
        "1.2",
        "1.2.9",
        12,
        -33.5,
    )


@pytest.mark.parametrize(
    ("orientation", "position"),
    [
        (["1", "0", "0", "0", "1", "0"], -33.5),  # axial: along z
        (["0", "1", "0", "0", "0", "-1"], -1.0),  # sagittal, seen from the left: along -x
        (["1", "0", "0", "0"], -33.5),  # half an orientation is none
    ],
)
def test_the_position_is_that_along_the_normal(
    make_dicom, stored_values, orientation: list[str], position: float
) -> None:
    content = make_dicom(
        stored_values,
        ImagePositionPatient=["1", "2", "-33.5"],
        ImageOrientationPatient=orientation,
    )
    assert imaging.read_with_header(content)[1].tags.position_mm == pytest.approx(position)
