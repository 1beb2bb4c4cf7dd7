"""Texts of the sections of an audit."""

import cv2
import numpy as np
import pytest

from spinefrac.audit.report import Baseline
from spinefrac.ui.train import audit_sections


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        (Baseline(0.81234, (0.7, 0.9)), "0.81 (0.70 to 0.90)"),
        (Baseline(0.81234, None), "0.81 (too few groups for a confidence interval)"),
        (Baseline(None, None), "not defined"),
    ],
)
def test_a_baseline_never_shows_a_number_it_does_not_have(baseline, expected):
    assert audit_sections.format_baseline(baseline) == expected


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    """The real audit of a small phantom, one slice of which is there twice."""
    from shutil import copyfile

    from spinefrac.audit import audit_folder
    from spinefrac.data import phantom

    place = tmp_path_factory.mktemp("audit")
    phantom.write_phantom(place / "data", patients=6, slices=3, seed=1, size=256)
    first = min((place / "data" / "normal").iterdir())
    copyfile(first, first.with_name(f"copy-of-{first.name}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(place / "home"))
        yield audit_folder(place / "data")


def test_sections_name_what_they_hold(audit):
    titles = [title for title, _ in audit_sections.list_sections(audit)]
    assert titles[0] == "Baselines" and titles[3] == "Suspected label errors"
    assert titles[2].startswith("Duplicates (1 exact, ")
    assert titles[4] == f"Groups ({audit.groups}): view and correct"


def test_a_slice_that_a_link_leads_to_is_not_shown(tmp_path):
    real = tmp_path.resolve() / "real"
    real.mkdir()
    cv2.imwrite(str(real / "a.png"), np.tile(np.arange(64, dtype=np.uint8), (64, 1)))
    (tmp_path / "data").symlink_to(real)
    assert audit_sections._load_image.__wrapped__(real, "a.png").error == ""
    assert (
        "a link leads to"
        in audit_sections._load_image.__wrapped__(tmp_path / "data", "a.png").error
    )
