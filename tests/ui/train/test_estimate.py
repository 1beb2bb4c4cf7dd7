"""The first estimate on the page: offered, started, cancelled, shown, and its network chosen."""

from __future__ import annotations

from pathlib import Path

from spinefrac.training.estimate import background
from spinefrac.training.estimate.compute import Estimate, NetworkEstimate
from tests.ui.train.support import page, text


def save(folder: Path) -> None:
    networks = (
        NetworkEstimate("lite0", 0.81, 0.72, 0.9),
        NetworkEstimate("compact_lite0", 0.79, 0.7, 0.88),
    )
    background.progress_path(folder).parent.mkdir(parents=True, exist_ok=True)
    background.save(folder, Estimate("f" * 64, 48, 48, 12, 5, networks, 3.0))


def test_it_is_started_and_cancelled(root: Path) -> None:
    app = page("data/spines")
    app.button(key="estimate-start").click().run()
    assert not app.exception
    assert background.read_progress(root / "spines") is not None
    app.button(key="estimate-cancel").click().run()
    assert background.read_progress(root / "spines") is None
    assert app.button(key="estimate-start")


def test_its_network_is_proposed_and_chosen(root: Path) -> None:
    save(root / "spines")
    app = page("data/spines")
    assert "lite0: out-of-fold AUC 0.810 (95 % CI 0.720 to 0.900)" in text(app)
    app.button(key="estimate-choose").click().run()
    assert not app.exception
    assert app.selectbox(key="train-network").value == "lite0"
    assert app.selectbox(key="train-weights").value == "imagenet"
    assert "estimate-choose" not in [button.key for button in app.button]
