"""Where bytes are: in the message, on disk, in shared memory."""

import io

import pytest

from spinefrac.errors import ImageError
from spinefrac.imaging.sources import Source, open_source
from spinefrac.system.shared_block import SharedBlock

CONTENT = bytes(range(256)) * 40


@pytest.fixture(params=["content", "path", "block"])
def source(request, tmp_path):
    if request.param == "content":
        yield Source(content=CONTENT)
    elif request.param == "path":
        path = tmp_path / "ü\udcff"
        path.write_bytes(CONTENT)
        yield Source.from_path(path)
    else:
        block = SharedBlock.from_bytes(CONTENT)
        yield Source(block=block.name, size=block.size)
        block.release()


def test_every_source_is_a_file(source):
    with open_source(source) as file:
        assert file.read(3) == CONTENT[:3]
        file.seek(-5, io.SEEK_END)
        assert file.read() == CONTENT[-5:]
        assert file.seek(0) == 0 and file.read() == CONTENT
        file.seek(4)
        file.seek(2, io.SEEK_CUR)
        assert file.tell() == 6


def test_nothing_and_too_much_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("spinefrac.imaging.limits.MAX_FILE_BYTES", 100)
    (tmp_path / "long").write_bytes(CONTENT)
    sources = (Source(), Source(content=CONTENT), Source.from_path(tmp_path / "long"))
    for source in (*sources, Source(block="x", size=101), Source.from_path(tmp_path)):
        with pytest.raises(ImageError, match="expected"), open_source(source):
            pass


def test_a_file_that_a_link_leads_to_from_its_folder_is_refused(tmp_path):
    for name in ("data", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(CONTENT)
    (tmp_path / "data" / "within.png").symlink_to("a.png")
    root = (tmp_path / "data").resolve()
    for name in ("a.png", "within.png"):
        with open_source(Source.from_path(root / name, root)) as file:
            assert file.read() == CONTENT
    (root / "a.png").unlink()
    (root / "a.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    with (
        pytest.raises(ImageError, match="a link leads to elsewhere"),
        open_source(Source.from_path(root / "a.png", root)),
    ):
        pass
    root.rename(tmp_path / "moved")
    root.symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(ImageError, match="a link leads to elsewhere"),
        open_source(Source.from_path(root / "a.png", root)),
    ):
        pass
