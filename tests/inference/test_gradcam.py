"""Grad-CAM points at what a foreign network rests on, and says so where it cannot."""

import subprocess
import sys

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import import_model
from spinefrac.exchange.io_spec import DeclaredIO
from spinefrac.inference import gradcam
from spinefrac.inference.predictor import Predictor
from spinefrac.records import CtSlice
from spinefrac.system.resource_limits import ResourceLimits
from tests.support.bright_spots import bright_spot_network, pooled

GIVEN = DeclaredIO(scale="0..255", positive_class=1)


def a_slice():
    pixels = np.full((96, 96), 60, np.float32)
    pixels[60:76, 12:28] = 255  # the only bright spot
    return CtSlice(pixels, calibrated=False, format="png")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """The network as a file from elsewhere, imported; gives its predictor."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(folder))
        bright_spot_network(pooled).save(folder / "foreign.keras")
        yield Predictor(import_model.import_file(folder / "foreign.keras", user_io=GIVEN))


@pytest.mark.slow
def test_the_map_lies_over_what_raises_the_score(foreign):
    ct = a_slice()
    prediction = foreign.predict(ct)
    assert prediction.heatmap is None
    found = gradcam.compute_gradcam(foreign.model, prediction.input, ct.pixels.shape)
    assert found.shape == ct.pixels.shape and found.min() >= 0
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 56 <= row < 80 and 8 <= column < 32
    assert found[60:76, 12:28].mean() > 10 * found[:40].mean()


@pytest.mark.slow
def test_what_takes_too_long_is_given_up(foreign):
    starved = ResourceLimits(wall_s=1)
    seen = foreign.predict(a_slice()).input
    with pytest.raises(ModelError, match=r"No heat map could be computed.*more than 1 s"):
        gradcam.compute_gradcam(foreign.model, seen, (96, 96), starved)


def test_tensorflow_stays_out_of_the_server():
    code = (
        "import sys\nfrom spinefrac.inference import gradcam\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
