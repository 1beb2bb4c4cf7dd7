"""Files decoded in other processes: the same slices and messages, and no harm from deadly files."""

from pathlib import Path

import numpy as np
import pytest

from spinefrac import imaging
from spinefrac.errors import ImageError
from spinefrac.imaging import decoder_pool
from spinefrac.system.resource_limits import ResourceLimits
from spinefrac.system.worker_pool import WorkerPool
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


@pytest.fixture
def deadly(monkeypatch):
    """A pool whose decoder dies of `dying_decoder.CRASH` and hangs at `HANG`."""
    pool = WorkerPool(
        dying_decoder.__name__,
        ResourceLimits(memory_mib=1024, cpu_s=2, wall_s=1),
        decoder_pool._describe_failure,
        workers=3,
        idle_workers=2,
        max_calls=100,
    )
    monkeypatch.setattr(decoder_pool, "get_pool", lambda: pool)
    yield pool
    pool.close()


def test_a_deadly_file_costs_one_sentence(deadly):
    reasons = {dying_decoder.CRASH: "ended the process", dying_decoder.HANG: "more than 1 s"}
    for content, reason in reasons.items():
        with pytest.raises(ImageError, match=f"x: the file could not be .*{reason}"):
            decoder_pool.read(content, name="x")
        assert decoder_pool.read(DICOM).format == "dicom"
