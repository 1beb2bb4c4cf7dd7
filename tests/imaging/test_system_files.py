"""One list of files that are never slices, for folders, choices of files and ZIPs."""

import pytest

from spinefrac.imaging.system_files import is_system_file


@pytest.mark.parametrize(
    "path",
    ["Thumbs.db", "a/THUMBS.DB", "desktop.ini", ".DS_Store", "._a.dcm", "x/__MACOSX/a.dcm",
     "__MACOSX", "DICOMDIR", "dicomdir.;1", "@eaDir/1.dcm/SYNOPHOTO_THUMB_M.jpg",
     ".AppleDouble/1.dcm", "$RECYCLE.BIN/$R1.png", "System Volume Information/x",
     ".Trash-1000/files/1.png", "#recycle/1.png", "@Recycle/1.png", ".@__thumb/s1001.jpg",
     "~$labels.xlsx", "LOCKFILE", ".ipynb_checkpoints/1.png", "a.tmp", "a.dcm.part", "1.png.lck",
     "a.crdownload", ".hidden.png", "lost+found/1"],
)  # fmt: skip
def test_system_files(path):
    assert is_system_file(path)


@pytest.mark.parametrize(
    "path",
    ["a.dcm", "thumbs.db.png", "DICOM/1", "my_._file.png", "desk.ini", "./a.dcm",
     "../recycle/a.dcm", "lockfile.png", "a.tmp.png", "DICOMDIR.copy/1.dcm", "~1.dcm"],
)  # fmt: skip
def test_slices(path):
    assert not is_system_file(path)
