"""What the profile does to one file, called here; `test_deidentify` calls it elsewhere."""

from pathlib import Path

import pytest

from spinefrac.data.confidentiality_profile import PseudonymMapping, deidentify_file
from spinefrac.errors import ImageError
from spinefrac.imaging.sources import Source

MAPPING = PseudonymMapping(b"k" * 32)


def test_names_uids_and_dates_are_mapped_one_to_one():
    assert MAPPING.map_uid("1.2.3") == MAPPING.map_uid("1.2.3") != MAPPING.map_uid("1.2.4")
    other = PseudonymMapping(b"o" * 32)
    assert other.map_patient_id("DOE-17") != MAPPING.map_patient_id("DOE-17")
    assert MAPPING.shift_date("20240131", "DOE") < "20240131"
    assert MAPPING.shift_date("31.1.2024", "DOE") == ""


def test_a_path_keeps_its_class_and_split_only():
    path = MAPPING.map_path(Path("train/fracture/DOE/DOE_1.dcm"))
    assert path.parts[:2] == ("train", "fracture") and "DOE" not in str(path)


def test_a_file_is_read_within_its_root_only(tmp_path):
    sample = Path("spinefrac/ui/samples/fracture-1.dcm").absolute()
    (tmp_path / "link.dcm").symlink_to(sample)
    assert deidentify_file(Source.from_path(sample), b"k" * 32).content.size > 100_000
    with pytest.raises(ImageError, match="a link leads"):
        deidentify_file(Source.from_path(tmp_path / "link.dcm", tmp_path), b"k" * 32)
