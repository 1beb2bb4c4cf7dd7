"""Views of the effect of an augmentation: grid, single transforms, animation, histogram."""

from __future__ import annotations

import streamlit as st

from spinefrac.records import GreyImage
from spinefrac.training.augmentation import preview
from spinefrac.training.augmentation.config import TRANSFORMS, AugmentationConfig
from spinefrac.ui.augmentation.controls import format_amount
from spinefrac.ui.augmentation.source import PreviewSlice
from spinefrac.ui.common.templates import render_html
from spinefrac.viz import augmentation, heatmap

#: Longest side of a difference, in pixels.
DIFFERENCE_MAX_SIDE = 256

SIDE_BY_SIDE, COPIES, DIFFERENCE = "Side by side", "Copies", "Difference"
DISPLAY_MODES = (SIDE_BY_SIDE, COPIES, DIFFERENCE)
#: CSS class of the grid, by mode.
_GRID_CLASSES = {SIDE_BY_SIDE: "beside", COPIES: "overlay", DIFFERENCE: "difference"}


def show_grid(
    preview_slice: PreviewSlice, config: AugmentationConfig, seed: int, mode: str
) -> None:
    """Show the images that training makes of the slice in its first epochs."""
    copies = preview.preview_epochs(preview_slice.pixels, config, seed, preview_slice.index)
    is_difference = mode == DIFFERENCE
    sources = [
        _encode_difference(preview_slice.pixels, copy)
        if is_difference
        else heatmap.encode_data_url(copy)
        for copy in copies
    ]
    st.html(
        render_html(
            "augmentation/grid.html",
            css_class=_GRID_CLASSES[mode],
            original=heatmap.encode_data_url(preview_slice.pixels),
            sources=sources,
            description="Difference of the copy" if is_difference else "Copy",
            focusable=mode == COPIES,  # to see the original under a copy
        )
    )


def _encode_difference(before: GreyImage, after: GreyImage) -> str:
    """Return a difference as a ``data:`` URL; unlike a copy it may be reduced in size."""
    return heatmap.encode_data_url(
        augmentation.difference_image(before, after, DIFFERENCE_MAX_SIDE)
    )


def show_difference_legend() -> None:
    """Show what the colours of a difference mean."""
    st.html(
        render_html(
            "augmentation/difference_legend.html",
            colours=(
                augmentation.DARKER_COLOUR,
                augmentation.UNCHANGED_COLOUR,
                augmentation.BRIGHTER_COLOUR,
            ),
            full_scale=augmentation.FULL_SCALE_DIFFERENCE,
        )
    )


def show_transforms(preview_slice: PreviewSlice, config: AugmentationConfig) -> None:
    """Show each transform that is on alone, at both ends of its range."""
    pixels = preview_slice.pixels
    active = [name for name in TRANSFORMS if config.is_enabled(name)]
    if not active:
        st.info("All transforms are off: training uses the slice unchanged.")
        return
    transforms = [
        {
            "name": name,
            "ends": [
                {
                    "amount": format_amount(name, value),
                    "source": heatmap.encode_data_url(image),
                    "difference": _encode_difference(pixels, image),
                }
                for value, image in preview.preview_range_ends(pixels, config, name)
            ],
        }
        for name in active
    ]
    show_difference_legend()
    original = heatmap.encode_data_url(pixels)
    st.html(render_html("augmentation/transforms.html", transforms=transforms, original=original))


def show_animation(preview_slice: PreviewSlice, config: AugmentationConfig) -> None:
    """Show one transform alone while its value goes through its range."""
    active = [name for name in TRANSFORMS if name != "flip" and config.is_enabled(name)]
    if not active:
        st.info("All transforms with a range are off. Turn one on to animate it.")
        return
    name_column, mode_column = st.columns([1, 1], vertical_alignment="bottom")
    name = name_column.selectbox("Transform", active, format_func=str.capitalize)
    mode = mode_column.segmented_control("Mode", ["Play", "Manual"], default="Play", required=True)
    steps = preview.preview_range(preview_slice.pixels, config, name)
    if mode == "Play":
        low, high = (format_amount(name, value) for value in config.get_range(name))
        source = augmentation.encode_animation([image for _, image in steps])
        caption = f"{low} to {high} (loop)"
    else:
        middle = len(steps) // 2 + 1
        step = st.slider("Step", 1, len(steps), middle, key=f"augmentation-step-{name}")
        value, image = steps[step - 1]
        source, caption = heatmap.encode_data_url(image), format_amount(name, value)
    st.html(
        render_html(
            "augmentation/animation.html",
            original=heatmap.encode_data_url(preview_slice.pixels),
            source=source,
            caption=caption,
            name=name,
        )
    )


def show_histogram(preview_slice: PreviewSlice, config: AugmentationConfig, seed: int) -> None:
    """Show the grey values of the slice and of its copies as histograms."""
    copies = preview.preview_epochs(preview_slice.pixels, config, seed, preview_slice.index)
    st.plotly_chart(
        augmentation.plot_grey_value_histogram(preview_slice.pixels, copies),
        config={"displayModeBar": False},
    )
    st.caption(
        f"Grey values of the slice and of its {len(copies)} copies. Values at 0 or 255 are "
        "clipped: detail there is lost."
    )
