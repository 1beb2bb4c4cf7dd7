"""Marks on slices, and their table."""

from __future__ import annotations

from pathlib import Path

from spinefrac.ui.metrics import gallery
from tests.ui.metrics.support import checked, page


def test_a_doubtful_label_can_be_exported(home: Path) -> None:
    app = page(models=["poor"], view="Slices")
    assert not any("marked slices (" in b.proto.label for b in app.get("download_button"))
    app.checkbox[0].check().run()
    checked(app)
    assert any("marked slices (1)" in b.proto.label for b in app.get("download_button"))


def test_keys_of_widgets_are_the_same_in_every_process() -> None:
    assert gallery.make_widget_key("fracture/P001_02.png") == "ea68b2c2c551d7b8"
    assert gallery.make_widget_key("bad-\udcff.png") != gallery.make_widget_key("bad-.png")


def test_the_table_of_marks_holds_label_and_predictions() -> None:
    cards = [gallery.SliceCard("a,b.png", "p1", 1, "", ("first: 0.2", "second: 0.9"))]
    assert gallery.format_marked_csv(cards) == (
        'path,group,label,answers\n"a,b.png",p1,fracture,first: 0.2; second: 0.9\n'
    )
