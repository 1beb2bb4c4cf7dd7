"""Files into series: order by position, and everything odd about a series said."""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from spinefrac.errors import ImageError
from spinefrac.imaging import collect, read, series_grouping
from spinefrac.imaging.geometry import SliceGeometry, direction_letters
from spinefrac.imaging.series_grouping import Series

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
AXIAL = [1, 0, 0, 0, 1, 0]

Maker = Callable[..., list[collect.SourceFile]]


@pytest.fixture
def make_series(make_dicom: Callable[..., bytes], stored_values: np.ndarray) -> Maker:
    """Return a maker of the files of a series, one a position, in random order."""

    def make(
        positions: list[list[float]], uid: str = "1.9", instance: str = "", **elements: object
    ) -> list[collect.SourceFile]:
        found = []
        for number, position in enumerate(positions):
            values = stored_values.copy()
            values[0, 0] = number  # tells the slices apart
            given = {
                "StudyInstanceUID": "1.8",
                "SeriesInstanceUID": uid,
                "SOPInstanceUID": f"{instance or uid}.{number}",
                "InstanceNumber": len(positions) - number,
                "ImagePositionPatient": position,
                "ImageOrientationPatient": AXIAL,
                "PixelSpacing": [0.5, 0.5],
                **elements,
            }
            kept = {keyword: value for keyword, value in given.items() if value is not None}
            content = make_dicom(values, **kept)
            found.append(collect.file_from_bytes(f"{uid}-{number}.dcm", content))
        random.Random(0).shuffle(found)
        return found

    return make


def along_z(count: int, step: float = 1.0, start: float = 0.0) -> list[list[float]]:
    return [[0.0, 0.0, start + step * number] for number in range(count)]


def only(files: list[collect.SourceFile]) -> Series:
    found = series_grouping.group_into_series(files)
    assert len(found.series) == 1
    assert not found.single_slices and not found.unreadable
    return found.series[0]


def codes(found: Series) -> list[str]:
    return [finding.code for finding in found.findings]


def test_order_is_by_position_and_not_by_name_or_number(make_series: Maker) -> None:
    found = only(make_series(along_z(12, 0.5)))
    assert found.positions_mm == tuple(0.5 * number for number in range(12))
    assert [part.read().pixels[0, 0] + 1024 for part in found.slices] == list(range(12))
    assert found.slice_spacing_mm == 0.5
    assert found.findings == ()
    assert found.plane == "axial"
    assert found.slices[0].geometry.sop_instance_uid == "1.9.0"


def test_order_follows_the_normal_of_a_sagittal_series(make_series: Maker) -> None:
    sagittal = [0, 1, 0, 0, 0, -1]  # normal towards the patient's right, -x
    found = only(make_series([[2.0 * n, 0, 0] for n in range(5)], ImageOrientationPatient=sagittal))
    assert found.plane == "sagittal"
    assert found.slices[0].geometry.orientation_letters == ("A", "P", "H", "F")
    assert [part.geometry.position_mm[0] for part in found.slices] == [8, 6, 4, 2, 0]
    assert found.slice_spacing_mm == 2.0


def test_missing_slices_are_counted_and_placed(make_series: Maker) -> None:
    places = along_z(20)
    del places[7:10]
    found = only(make_series(places))
    assert codes(found) == ["missing"]
    assert "About 3 slices are missing between 7 and 8 (4.0 mm apart)" in found.findings[0].message
    assert found.findings[0].slices == (7,)


def test_a_tilted_gantry_is_measured_from_the_positions(make_series: Maker) -> None:
    tilted = [[0.0, np.tan(np.radians(15)) * n, float(n)] for n in range(6)]
    found = only(make_series(tilted, GantryDetectorTilt="15"))
    assert codes(found) == ["tilt"]
    assert "15.0°" in found.findings[0].message
    assert found.slice_spacing_mm == 1.0


def test_a_stated_tilt_without_a_shift_is_said_to_be_straightened(make_series: Maker) -> None:
    found = only(make_series(along_z(6), GantryDetectorTilt="-12.5"))
    assert codes(found) == ["tilt"]
    assert (
        "12.5°" in found.findings[0].message
        and "may have been corrected" in found.findings[0].message
    )


def test_two_series_in_one_folder_stay_apart(make_series: Maker) -> None:
    both = make_series(along_z(6), "1.9") + make_series(along_z(4), "1.10")
    found = series_grouping.group_into_series(both)
    assert [len(one) for one in found.series] == [6, 4]
    assert len({one.name for one in found.series}) == 2
    assert all(
        {part.geometry.series_instance_uid for part in one.slices} <= {"1.9", "1.10"}
        for one in found.series
    )
    assert [
        len({part.geometry.series_instance_uid for part in one.slices}) for one in found.series
    ] == [1, 1]


def test_a_series_of_mixed_geometry_is_split_and_says_so(make_series: Maker) -> None:
    axial = make_series(along_z(6))
    coronal = [1, 0, 0, 0, 0, -1]
    scout = make_series([[0, 0, 0], [0, 5, 0]], instance="1.9.7", ImageOrientationPatient=coronal)
    found = series_grouping.group_into_series(axial + scout)
    assert [len(one) for one in found.series] == [6, 2]
    assert codes(found.series[0]) == ["split"]
    assert "2 slices of another orientation" in found.series[0].findings[0].message


def test_slices_at_the_same_place_and_copies_are_reported(make_series: Maker) -> None:
    twice = only(make_series([*along_z(5), [0.0, 0.0, 2.0]]))
    assert codes(twice) == ["repeated"]
    assert len(twice) == 6
    files = make_series(along_z(5))
    copied = only([*files, collect.file_from_bytes("copy.dcm", files[0].read_bytes())])
    assert codes(copied) == ["repeated"]
    assert len(copied) == 5


def test_of_two_copies_the_whole_one_stays(make_series: Maker) -> None:
    files = make_series(along_z(5))
    content = files[0].read_bytes()
    cut = collect.file_from_bytes("a.dcm", content[: len(content) * 3 // 4])
    found = only([cut, *files])
    assert len(found) == 5 and codes(found) == ["repeated"]
    assert "a.dcm" not in {part.file.name for part in found.slices}


def test_two_phases_in_one_series_are_two_series(make_series: Maker) -> None:
    first = make_series(along_z(5), SeriesNumber=3, AcquisitionNumber=1)
    second = make_series(along_z(5), instance="1.9.7", SeriesNumber=3, AcquisitionNumber=2)
    found = series_grouping.group_into_series(first + second)
    names = sorted(one.name for one in found.series)
    assert names == ["Series 3, acquisition 1", "Series 3, acquisition 2"]
    for one in found.series:
        assert codes(one) == ["split"] and one.positions_mm == (0, 1, 2, 3, 4)


def test_one_uid_in_every_file_costs_no_slice(make_series: Maker) -> None:
    assert len(only(make_series(along_z(5), SOPInstanceUID="1.2"))) == 5


def test_sagittal_slices_are_named(make_series: Maker) -> None:
    places = [[float(x), 0.0, 0.0] for x in range(5)]
    found = only(make_series(places, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]))
    assert found.plane == "sagittal" and codes(found) == ["plane"]


def test_uneven_steps_are_reported(make_series: Maker) -> None:
    places = [[0.0, 0.0, z] for z in (0, 1, 2, 3.3, 4, 5, 6)]
    assert codes(only(make_series(places))) == ["uneven"]


def test_without_positions_the_order_is_that_of_the_numbers(make_series: Maker) -> None:
    found = only(make_series(along_z(5), ImagePositionPatient=None, ImageOrientationPatient=None))
    assert codes(found) == ["unplaced"]
    assert found.positions_mm == ()
    assert [part.geometry.instance_number for part in found.slices] == [1, 2, 3, 4, 5]


def test_anonymised_files_without_uids_are_one_series_a_folder(make_series: Maker) -> None:
    files = make_series(along_z(5), SeriesInstanceUID="", StudyInstanceUID="", SOPInstanceUID="")
    found = only(files)
    assert codes(found) == ["unnamed"]
    assert found.positions_mm == (0, 1, 2, 3, 4)


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(make_series: Maker) -> None:
    text = collect.file_from_bytes("readme.txt", b"no slice here")
    cut = collect.file_from_bytes("cut.dcm", make_series(along_z(1))[0].read_bytes()[:200])
    found = series_grouping.group_into_series([*make_series(along_z(4)), text, cut])
    assert [len(one) for one in found.series] == [4]
    assert {entry.path for entry in found.unreadable} == {"readme.txt", "cut.dcm"}
    for entry in found.unreadable:
        assert entry.reason.startswith(entry.path)
        assert "\n" not in entry.reason


def test_frames_of_a_multi_frame_file_are_ordered_by_their_own_positions(
    make_dicom: Callable[..., bytes], stored_values: np.ndarray
) -> None:
    pixels = np.stack([stored_values + number for number in range(4)]).astype(np.uint16)

    def group(z: float) -> Dataset:
        place, holder = Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, z]
        holder.PlanePositionSequence = Sequence([place])
        return holder

    orientation, shared = Dataset(), Dataset()
    orientation.ImageOrientationPatient = AXIAL
    shared.PlaneOrientationSequence = Sequence([orientation])
    content = make_dicom(
        pixels,
        SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1",
        PerFrameFunctionalGroupsSequence=Sequence([group(z) for z in (3, 1, 2, 0)]),
        SharedFunctionalGroupsSequence=Sequence([shared]),
    )
    found = only([collect.file_from_bytes("enhanced", content)])
    assert [part.frame for part in found.slices] == [3, 1, 2, 0]
    assert found.positions_mm == (0, 1, 2, 3)
    assert found.slices[0].read().slice_index == 3


def test_a_long_header_is_read_to_its_end(make_series: Maker) -> None:
    long = make_series(along_z(3), ImageComments="x" * 60_000)
    assert only(long).positions_mm == (0, 1, 2)


def test_a_patients_name_is_not_in_a_series(make_series: Maker) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = only(make_series(along_z(3)))
    assert "Secret" not in repr(found) and "P7" not in repr(found)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("packed", [False, True])
def test_a_volume_is_the_slices_that_reading_one_by_one_gives(axis: int, packed: bool) -> None:
    import gzip

    import nibabel

    rng = np.random.default_rng(3)
    voxels = rng.integers(-1000, 1000, (7, 9, 5)).astype(np.int16)
    affine = np.array([[0, -2, 0, 11], [1.5, 0, 0, -4], [0, 0, -3, 8], [0, 0, 0, 1]], float)
    content = nibabel.Nifti1Image(voxels, affine).to_bytes()
    file = collect.file_from_bytes("v.nii", gzip.compress(content) if packed else content)
    found = series_grouping.series_from_volume(file, axis)
    assert len(found) == (9, 7, 5)[axis]
    assert found.slice_spacing_mm == (2.0, 1.5, 3.0)[axis]
    low = (11 - 2 * 8, -4, 8 - 3 * 4)[axis]
    assert found.positions_mm[0] == pytest.approx(low)
    for number, part in enumerate(found.slices):
        ct = part.read()
        np.testing.assert_array_equal(
            ct.pixels, read(content, slice_index=number, axis=axis).pixels
        )
        assert ct.pixels.shape == (part.geometry.rows, part.geometry.columns)
    assert found.slices[0].geometry.plane == ("sagittal", "coronal", "axial")[axis]


def test_a_volume_is_inflated_once() -> None:
    import gzip

    import nibabel

    content = nibabel.Nifti1Image(np.zeros((6, 6, 9), np.int16), np.eye(4)).to_bytes()
    file = collect.file_from_bytes("v.nii.gz", gzip.compress(content))
    found = series_grouping.series_from_volume(file)
    blocks = {part.file.locate().block for part in found.slices}
    assert len(blocks) == 1 and blocks != {""}
    assert found.slices[0].file.size == len(content)


def test_letters_of_an_oblique_slice_name_both_sides() -> None:
    assert direction_letters((1, 0, 0)) == "L" and direction_letters((0, 0, -1)) == "F"
    assert direction_letters((0.0, 0.8, 0.6)) == "PH"
    assert SliceGeometry().orientation_letters == ("", "", "", "") and SliceGeometry().plane == ""


def test_progress_may_stop_the_looking(make_series: Maker) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        series_grouping.group_into_series(make_series(along_z(6)), progress=stop)


def shared_files(folder: str) -> Iterator[collect.SourceFile]:
    root = SHARED / folder
    if not root.is_dir():
        pytest.skip(f"no real files at {root}")
    return iter(collect.collect_folder(root).files)


def test_real_series_are_found_in_order() -> None:
    found = series_grouping.group_into_series(list(shared_files("rsna-2022-dicom")))
    assert sorted(len(one) for one in found.series) == [6, 8]
    for one in found.series:
        assert one.findings == ()
        assert list(one.positions_mm) == sorted(one.positions_mm)
    (body,) = series_grouping.group_into_series(list(shared_files("totalsegmentator-dicom"))).series
    assert len(body) == 20 and body.slice_spacing_mm == 2.0
    assert [finding.code for finding in body.findings] == ["unnamed"]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    file = collect.file_from_path(tmp_path / "a.png")
    (tmp_path / "a.png").unlink()
    with pytest.raises(ImageError, match=r"a\.png: expected an image file, found nothing"):
        file.read_bytes()


def test_packing_is_counted_through_all_levels() -> None:
    import gzip
    import zipfile

    import nibabel

    volume = nibabel.Nifti1Image(np.zeros((256, 256, 600), np.int16), np.eye(4)).to_bytes()
    inner, buffer = gzip.compress(volume), io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v.nii.gz", inner)
    found = collect.collect_files([collect.file_from_bytes("x.zip", buffer.getvalue())])
    assert found.files[0].stored_bytes < 3000
    for file in (*found.files, collect.file_from_bytes("v.nii.gz", inner)):
        grouping = series_grouping.group_into_series([file])
        assert "v.nii.gz: expected a file that unpacks to" in grouping.unreadable[0].reason
        assert not grouping.series
