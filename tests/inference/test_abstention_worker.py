"""The band chosen over there is the one that is computed here, and the libraries stay there."""

import subprocess
import sys

import pytest

from spinefrac.errors import DatasetError
from spinefrac.inference import abstention_worker


def test_another_process_chooses_the_same_band(separable):
    model, oof = separable, separable.load_out_of_fold()
    columns = oof.labels.tolist(), oof.probabilities.tolist(), oof.groups.tolist()
    for rate in (0.05, 0.0001):
        found = abstention_worker.choose_band(oof, model.threshold, rate)
        assert found == abstention_worker.compute_band(*columns, model.threshold, rate)
        assert (found.band is None) == (rate == 0.0001)
    with pytest.raises(DatasetError, match=r"between 0 and 0\.5"):
        abstention_worker.choose_band(oof, model.threshold, 0.9)


def test_a_profile_brings_no_statistics_library_into_the_process(separable):
    program = (
        "import sys\n"
        "from spinefrac.inference import uncertainty\n"
        "from spinefrac.store import repository\n"
        "assert uncertainty.uncertainty_profile(repository.load('separable')).abstention_band\n"
        "print({'mapie', 'sklearn', 'pandas'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
