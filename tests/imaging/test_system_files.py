"""One list of files that are never slices, for folders, choices of files and ZIPs."""

import pytest

from spinefrac.imaging.system_files import is_system_file


@pytest.mark.parametrize(
    "path",
    ["Thumbs.db", "a/THUMBS.DB", "desktop.ini", ".DS_Store", "._a.dcm", "x/__MACOSX/a.dcm",
     "__MACOSX", "DICOMDIR"],
)  # fmt: skip
def test_system_files(path):
    assert is_system_file(path)


@pytest.mark.parametrize("path", ["a.dcm", "thumbs.db.png", "DICOM/1", "my_._file.png", "desk.ini"])
def test_slices(path):
    assert not is_system_file(path)
