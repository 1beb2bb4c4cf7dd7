"""What a decoder process does, called in this one; `test_decoder_pool` calls it over there."""

import subprocess
import sys
from pathlib import Path

import pytest

from spinefrac.errors import ImageError
from spinefrac.imaging import decoder
from spinefrac.imaging.sources import Source

DICOM = Path("spinefrac/ui/samples/fracture-1.dcm")


def test_slices_and_headers_are_read():
    source = Source.from_path(DICOM)
    assert decoder.read(source, None, 2).calibrated
    found = decoder.read_with_header(source)
    assert found.header is not None and found.ct.pixels.shape == (512, 512)


def test_no_message_names_the_file(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(b"no image")
    with pytest.raises(ImageError) as found:
        decoder.read(Source.from_path(path), None, 2)
    assert "secret" not in str(found.value)


def test_a_decoder_imports_neither_pages_nor_tensorflow():
    program = (
        "import sys; from spinefrac.imaging import decoder; decoder.prepare();"
        "print({'streamlit', 'tensorflow', 'onnxruntime', 'pandas', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
