"""Sizes are refused before anything is decoded, in one line that says what to do."""

import pytest

from spinefrac.errors import ImageError
from spinefrac.imaging import limits


def test_a_common_slice_and_the_largest_one_pass():
    limits.check_image_size(512, 512, sample_bytes=2)
    limits.check_image_size(4000, 4000)
    limits.check_file_size(limits.MAX_FILE_BYTES)


@pytest.mark.parametrize(
    ("arguments", "sample_bytes", "message"),
    [
        ((0, 512), 1, "size zero"),
        ((512, 512, 0), 1, "size zero"),
        ((4001, 4001), 1, "16 megapixels"),
        ((2, limits.MAX_SIDE + 1), 1, "pixels a side"),
        ((512, 512, 1100), 2, "550 MB"),
    ],
)
def test_sizes_over_the_limits(arguments, sample_bytes, message):
    with pytest.raises(ImageError, match=message) as error:
        limits.check_image_size(*arguments, sample_bytes=sample_bytes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("size", "message"), [(0, "empty file"), (2**30, "got 1024 MB")])
def test_file_sizes(size, message):
    with pytest.raises(ImageError, match=message):
        limits.check_file_size(size)


def test_frames_and_expansion_over_the_limits():
    limits.check_frame_count(limits.MAX_FRAMES)
    with pytest.raises(ImageError, match="10,000 frames"):
        limits.check_frame_count(limits.MAX_FRAMES + 1)
    limits.check_expansion(limits.EXPANSION_FREE_BYTES + 100, 1)
    with pytest.raises(ImageError, match="100 times its size"):
        limits.check_expansion(limits.EXPANSION_FREE_BYTES + 101, 1)
