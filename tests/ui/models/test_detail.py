"""The page of one model."""

from __future__ import annotations

from pathlib import Path

from spinefrac.store import repository
from tests.ui.models.support import checked, html, page


def test_a_card_is_a_page(home: Path) -> None:
    app = page("second")
    text = "\n".join(element.value for element in app.markdown)
    assert "## Out-of-Scope Use" in text.replace("###", "##") and "| AUC |" in text
    assert "Performance of the model" in html(app)


def test_default_and_archive(home: Path) -> None:
    app = page("second")
    checked(next(b for b in app.button if b.label == "Set as default").click().run())
    assert repository.get_default_id() == "second"
    next(b for b in app.button if b.label == "Archive").click().run()
    assert "is the default model" in app.error[0].value.replace("\\", "")
    checked(next(b for b in page("old").button if b.label == "Unarchive").click().run())
    assert not repository.load("old").archived


def test_a_run_cannot_start_outside_the_roots(home: Path) -> None:
    app = page("second")
    checked(app.segmented_control[0].set_value("Fine-tune").run())
    app.text_input[0].set_value("/etc")
    checked(next(b for b in app.button if b.label == "Start training").click().run())
    assert app.error
