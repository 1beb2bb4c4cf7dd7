"""Public layouts become labelled slices, also after a kill; nothing is half there."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from spinefrac.data.folder_layouts import list_labelled_files
from spinefrac.data.importers import import_dataset
from spinefrac.data.importers.plan import ImportSelection
from spinefrac.errors import DatasetError
from tests.support.rsna import write_rsna_download


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def rsna(tmp_path_factory) -> Path:
    """Six phantom patients as the download of RSNA 2022."""
    return write_rsna_download(tmp_path_factory.mktemp("rsna"))


def test_a_killed_import_goes_on_and_ends_as_an_unbroken_one(rsna, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    import_dataset("rsna", rsna, whole)
    code = (
        "import sys, time\n"
        "from spinefrac.data.importers import import_dataset, rsna\n"
        "copy = rsna.copy_file\n"
        "def slow(a, b):\n"
        "    time.sleep(0.1); return copy(a, b)\n"
        "rsna.copy_file = slow\n"
        "import_dataset('rsna', sys.argv[1], sys.argv[2])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(rsna), str(broken)])
    end = time.monotonic() + 60
    while len(list(broken.rglob("*.dcm"))) < 4:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    there = len(list(broken.rglob("*.dcm")))
    assert not (broken / "labels.csv").exists(), "half a set is no set"
    with pytest.raises(DatasetError):
        list_labelled_files(broken)
    result = import_dataset("rsna", rsna, broken)
    assert result.written == result.slices - there
    assert not list(broken.glob(".*.tmp")), "the killed import's half table is gone"
    for path in whole.rglob("*"):
        if path.is_file():
            assert (broken / path.relative_to(whole)).read_bytes() == path.read_bytes()


def test_another_import_is_not_mixed_in(rsna, tmp_path):
    import_dataset("rsna", rsna, tmp_path / "out", selection=ImportSelection(per_study=1))
    with pytest.raises(DatasetError, match="holds another import"):
        import_dataset("rsna", rsna, tmp_path / "out")
    with pytest.raises(DatasetError, match="outside the source"):
        import_dataset("rsna", rsna, rsna / "inside")
