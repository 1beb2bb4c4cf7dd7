"""A slice in a grid."""

from spinefrac.ui.common.slice_card import SliceImage, render_slice_card


def test_names_of_files_are_escaped_and_can_be_sent() -> None:
    html = render_slice_card("<b>\udcff.png", [SliceImage(error="no <slice>")], ["p < 1", ""])
    assert "&lt;b&gt;?.png" in html and "no &lt;slice&gt;" in html and "p &lt; 1" in html
    assert html.encode() and html.count("<div>") == 1


def test_captions_are_shown_where_there_are_several_images() -> None:
    images = [SliceImage("data:,a", "first"), SliceImage("data:,b", "second")]
    html = render_slice_card("a.png", images, label="label: fracture")
    assert html.count("<img ") == html.count("<figcaption>") == 2
    assert "<figcaption>" not in render_slice_card("a.png", [SliceImage("data:,a")])
