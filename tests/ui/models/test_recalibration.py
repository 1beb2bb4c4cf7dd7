"""The form that recalibrates a model for another site."""

from __future__ import annotations

from pathlib import Path

from spinefrac.data.phantom import write_phantom
from spinefrac.store import repository
from tests.ui.models.support import checked, page


def press(app, label: str):
    return checked(next(b for b in app.button if b.label == label).click().run(timeout=120))


def test_a_site_of_too_few_patients_is_an_error_and_another_gets_a_model(home: Path) -> None:
    write_phantom(home / "data" / "few", patients=2, slices=2, seed=5, size=256)
    write_phantom(home / "data" / "site", patients=10, slices=2, seed=11, size=256)
    app = page("second")
    checked(app.segmented_control[0].set_value("Recalibrate").run())
    few, site = sorted(app.selectbox(key="site-folder").options)
    app.selectbox(key="site-folder").set_value(few)
    press(app, "Recalibrate")
    assert "more patients" in app.error[0].value
    app.selectbox(key="site-folder").set_value(site)
    press(app, "Recalibrate")
    assert not app.error and repository.load("second-site").card.recalibration.groups == 10
    assert any(button.label == "Open the new model" for button in app.button)
