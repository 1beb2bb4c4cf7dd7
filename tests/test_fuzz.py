"""What fuzzing found is read again, and what it draws is what it says."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import codestreams
from fuzz.__main__ import CORPUS, STRATEGIES
from fuzz.dicom_files import SYNTAXES, valid_file
from fuzz.targets import Outcome, read_file
from spinefrac import imaging
from spinefrac.errors import ImageError

DEFLATED = "1.2.840.10008.1.2.1.99"


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.bin")), ids=lambda path: path.stem)
def test_what_was_found_costs_one_file_only(path: Path) -> None:
    outcome = read_file(path.read_bytes())
    assert not outcome.is_failure, outcome
    assert read_file(valid_file("1.2.840.10008.1.2.1")).kind == "read"


def test_there_is_a_corpus_that_is_read_in_seconds() -> None:
    files = list(CORPUS.glob("*.bin"))
    assert files and sum(path.stat().st_size for path in files) < 2**20


@pytest.mark.parametrize("syntax", sorted(SYNTAXES))
def test_what_is_not_varied_is_read(syntax: str) -> None:
    if syntax == DEFLATED:
        with pytest.raises(ImageError, match="deflated"):
            imaging.read(valid_file(syntax))
    elif SYNTAXES[syntax] == "jpeg":
        assert imaging.read(valid_file(syntax)).pixels.shape == (12, 10)
    else:
        expected = codestreams.phantom_image(12, 10, 1, 12) - 1024.0
        np.testing.assert_array_equal(imaging.read(valid_file(syntax)).pixels, expected)


@pytest.mark.parametrize("kind", ["jpeg", "jpeg-lossless", "jpeg-ls", "jpeg-2000"])
def test_the_segments_of_a_codestream_are_the_codestream(kind: str) -> None:
    content = codestreams.encode(kind, 16, 24, 1, 8, 1)
    segments = codestreams.split(content)
    assert len(segments) >= 4 and codestreams.join(segments) == content


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_drawn_files_are_read_or_refused(name: str) -> None:
    outcomes = list[Outcome]()

    @settings(
        max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        outcomes.append(read_file(data.draw(STRATEGIES[name])))

    draw()
    assert not [outcome for outcome in outcomes if outcome.is_failure]
    assert {outcome.kind for outcome in outcomes} >= {"refused"}
