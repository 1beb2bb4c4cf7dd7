"""Links with the labels of earlier versions."""

from pathlib import Path

import pytest

from spinefrac.ui.metrics import addresses, page, slices
from tests.ui.metrics.support import page as open_page
from tests.ui.metrics.support import text


@pytest.mark.parametrize(
    ("former", "today"),
    [
        ("Training", "Training curves"),
        ("Parts", "Subgroups"),
        ("New slices", "External evaluation"),
    ],
)
def test_a_link_to_a_renamed_view_opens_it(home: Path, former: str, today: str) -> None:
    app = open_page(models=["good"], view=former)
    assert app.session_state["view"] == today
    assert app.query_params["view"] in (today, [today])


def test_a_link_to_renamed_slices_opens_them(home: Path) -> None:
    app = open_page(models=["poor"], view="Slices", show="Missed fractures", t="0.9")
    assert app.session_state["show"] == "false-negatives"
    assert "slices: false negatives (missed fractures)" in text(app)
    assert app.slider(key="t").value == pytest.approx(0.9)  # the rest of the address is kept


def test_an_unknown_label_is_no_error(home: Path) -> None:
    assert open_page(models=["good"], view="Nonsense").session_state["view"] == "Overview"


def test_labels_of_today_exist() -> None:
    assert set(addresses.RENAMED_LABELS["view"].values()) <= set(page.SINGLE_VIEWS)
    assert set(addresses.RENAMED_LABELS["show"].values()) <= set(slices.FILTER_TITLES.values())
    for labels in addresses.RENAMED_LABELS.values():
        assert not set(labels) & set(labels.values())  # else every run would begin another one
