"""Views of an augmentation."""

from __future__ import annotations

import numpy as np

from spinefrac.ui.augmentation import views
from spinefrac.ui.common.templates import render_html


def test_a_difference_may_be_reduced_in_size() -> None:
    before = np.zeros((512, 512), np.uint8)
    small = views._encode_difference(before, before)
    assert small.startswith("data:image/") and len(small) < 20_000


def test_each_mode_has_a_class_of_its_own() -> None:
    assert set(views._GRID_CLASSES) == set(views.DISPLAY_MODES)
    assert len(set(views._GRID_CLASSES.values())) == 3


def test_copies_are_reachable_by_keyboard_only_where_the_original_lies_under_them() -> None:
    for focusable, count in ((True, 2), (False, 0)):
        grid = render_html(
            "augmentation/grid.html",
            css_class="overlay",
            original="data:,o",
            sources=["data:,1", "data:,2"],
            description="Copy",
            focusable=focusable,
        )
        assert grid.count("tabindex") == count
        assert 'alt="Copy in epoch 2"' in grid
