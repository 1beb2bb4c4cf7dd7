"""Files decoded in other processes: the same slices and messages, and no harm from deadly files."""

from pathlib import Path

import numpy as np
import pytest

from spinefrac import imaging
from spinefrac.errors import ImageError
from spinefrac.imaging import decoder_pool
from tests.support import dying_decoder

DICOM = "spinefrac/ui/samples/fracture-1.dcm"
PNG = "spinefrac/ui/samples/normal-1.png"


@pytest.mark.parametrize("path", [DICOM, PNG])
def test_a_slice_is_the_same_as_in_process(path):
    content = Path(path).read_bytes()
    for source in (content, path):
        here, there = imaging.read(source), decoder_pool.read(source)
        np.testing.assert_array_equal(there.pixels, here.pixels)
        for field in ("calibrated", "format", "bits", "spacing_mm", "window", "modality"):
            assert getattr(there, field) == getattr(here, field)
        assert decoder_pool.read_with_header(source)[1] == imaging.read_with_header(source)[1]


def test_errors_are_those_of_in_process(tmp_path):
    (tmp_path / "empty.png").touch()
    for source in (b"", b"no image", tmp_path, tmp_path / "none", tmp_path / "empty.png"):
        with pytest.raises(ImageError) as here:
            imaging.read(source)
        with pytest.raises(ImageError) as there:
            decoder_pool.read(source)
        assert str(there.value) == str(here.value)
    with pytest.raises(ImageError, match="mine: expected slice 0"):
        decoder_pool.read(PNG, name="mine", slice_index=3)


def test_a_deadly_file_costs_one_sentence_and_one_worker(deadly_decoder, caplog):
    reasons = {dying_decoder.CRASH: "ended the process", dying_decoder.HANG: "more than 1 s"}
    for content, reason in reasons.items():
        for _ in range(3):
            with pytest.raises(ImageError, match=f"x: the file could not be .*{reason}"):
                decoder_pool.read(content, name="x")
        assert decoder_pool.read(DICOM).format == "dicom"
    assert len(caplog.records) == 2, "asked again, a deadly file is refused unread"
    assert "x:" not in caplog.text


def test_a_file_on_disk_is_tried_again_after_it_changed(deadly_decoder, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(dying_decoder.CRASH)
    with pytest.raises(ImageError, match="safely"):
        decoder_pool.read(path)
    path.write_bytes(Path(PNG).read_bytes())
    assert decoder_pool.read(path).format == "png"


def test_values_come_from_the_first_bytes_or_from_a_header_longer_than_they(make_dicom):
    pixels = np.zeros((300, 300), np.int16)
    for comment in ("", "x" * 40_000):
        content = make_dicom(pixels, PatientComments=comment, StudyID="S-1", BodyPartExamined="C")
        found = decoder_pool.read_values(content, ("StudyID", "BodyPartExamined"))
        assert found == {"StudyID": ["S-1"], "BodyPartExamined": ["C"]}


def test_a_header_that_kills_its_decoder_is_an_error(deadly_decoder):
    with pytest.raises(ImageError, match="safely"):
        decoder_pool.read_values(dying_decoder.CRASH, ("Rows",))
