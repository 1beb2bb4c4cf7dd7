"""Every real DICOM and NIfTI reads, in Hounsfield units, right at named pixels.

The values were read by a second route: raw little-endian words at the end of the file for
uncompressed DICOM, GDCM's own reader for compressed ones, gzip and struct for NIfTI.
"""

from pathlib import Path

import numpy as np
import pytest

from spinefrac import imaging

TOTAL = "totalsegmentator-dicom/CT.1.3.12.2.1107.5.1.4.60064.30000022120808113428000016573"


@pytest.mark.parametrize(
    ("path", "position", "values"),
    [
        pytest.param(
            "rsna-2022-dicom/1.2.826.0.1.3680043.21326/3.dcm",
            None,
            {(0, 0): -3024, (256, 256): 61, (430, 262): 1613, (150, 300): 83},
            id="uncompressed",
        ),
        pytest.param(
            "rsna-2022-dicom/1.2.826.0.1.3680043.14267/1.dcm",
            None,
            {(0, 0): -1024, (256, 256): 84, (420, 262): 1235, (150, 300): 98},
            id="jpeg-lossless",
        ),
        pytest.param(
            TOTAL,
            None,
            {(0, 0): -1024, (256, 256): 94, (340, 250): 245, (330, 240): 228},
            id="jpeg-2000",
        ),
        pytest.param(
            "nifti/example_ct_sm.nii.gz",
            15,
            {(0, 0): -1006, (50, 60): 0, (70, 62): 3, (65, 60): 131},
            id="nifti-ras",
        ),
        pytest.param(
            "nifti/sub-ct_label-22_ct.nii.gz",
            20,
            {(0, 0): -69, (20, 36): 52, (40, 30): 183, (10, 36): -30},
            id="nifti-pir",
        ),
    ],
)
def test_named_pixels_have_their_hounsfield_units(
    shared_data: Path, path: str, position: int | None, values: dict[tuple[int, int], float]
) -> None:
    ct = imaging.read(shared_data / path, slice_index=position)
    assert ct.calibrated
    assert {place: float(ct.pixels[place]) for place in values} == values


def test_every_dicom_reads_in_hounsfield_units(shared_data: Path) -> None:
    files = [
        f
        for d in ("rsna-2022-dicom", "totalsegmentator-dicom")
        for f in (shared_data / d).rglob("*")
    ]
    slices = [imaging.read(f) for f in files if f.is_file()]
    assert len(slices) == 34
    for ct in slices:
        assert ct.calibrated and ct.format == "dicom" and ct.pixels.dtype == np.float32
        assert ct.pixels.shape == (512, 512) and ct.spacing_mm is not None
        # soft tissue fills more of every one of them than bone does
        assert ((ct.pixels > 0) & (ct.pixels < 150)).sum() > (ct.pixels > 300).sum() > 500


@pytest.mark.parametrize("name", ["example_ct_sm.nii.gz", "sub-ct_label-22_ct.nii.gz"])
def test_every_nifti_reads_along_every_axis(shared_data: Path, name: str) -> None:
    import nibabel

    path = shared_data / "nifti" / name
    volume = np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj)  # RAS+
    for axis in range(3):
        ct = imaging.read(path, axis=axis)
        assert (ct.calibrated, ct.slice_count, ct.slice_index) == (
            True,
            volume.shape[axis],
            volume.shape[axis] // 2,
        )
        expected = np.take(volume, ct.slice_index, axis=axis)[::-1, ::-1].T
        np.testing.assert_array_equal(ct.pixels, expected)


def test_the_first_of_several_windows_is_taken(shared_data: Path) -> None:
    assert imaging.read(shared_data / TOTAL).window == (40, 300)


def test_tags_of_real_files(shared_data: Path) -> None:
    path = shared_data / "rsna-2022-dicom/1.2.826.0.1.3680043.14267/2.dcm"
    tags = imaging.read_with_header(path)[1].tags
    assert (tags.patient_id, tags.study_instance_uid) == ("14267", "1.2.826.0.1.3680043.14267")
    assert (tags.instance_number, tags.position_mm) == (2, 398.1)
    assert imaging.read_with_header(shared_data / TOTAL)[1].tags.patient_id == ""


def test_kaggle_pictures_are_grey_and_uncalibrated(shared_data: Path) -> None:
    files = sorted((shared_data / "kaggle-csfdv1").rglob("*.png"))
    assert len(files) == 212
    for file in files[::8]:
        ct = imaging.read(file)
        assert (ct.calibrated, ct.colour, ct.bits, ct.format) == (False, False, 8, "png")
        assert ct.pixels.max() <= 255
