"""What an augmentation makes of a slice: the grid, single transforms, movement, histogram."""

from __future__ import annotations

from html import escape

import streamlit as st

from spinefrac.records import GreyImage
from spinefrac.training.augmentation import preview
from spinefrac.training.augmentation.config import TRANSFORMS, AugmentationConfig
from spinefrac.ui.augmentation.controls import format_amount
from spinefrac.ui.augmentation.source import PreviewSlice
from spinefrac.viz import augmentation, heatmap

#: Longest side of a difference, in pixels.
DIFFERENCE_MAX_SIDE = 256

DISPLAY_MODES = ("Beside the original", "Copies", "Difference")


def show_grid(
    preview_slice: PreviewSlice, config: AugmentationConfig, seed: int, mode: str
) -> None:
    """Show what training sees of the slice in its first epochs."""
    copies = preview.preview_epochs(preview_slice.pixels, config, seed, preview_slice.index)
    original = heatmap.encode_data_url(preview_slice.pixels)
    cells = [_render_figure(original, "Original", "The slice as the network sees it", "original")]
    for epoch, copy in enumerate(copies, start=1):
        if mode == DISPLAY_MODES[2]:
            source = _render_difference(preview_slice.pixels, copy)
            what = f"Difference of the copy in epoch {epoch}"
        else:
            source, what = heatmap.encode_data_url(copy), f"Copy in epoch {epoch}"
        stop = ' tabindex="0"' if mode == DISPLAY_MODES[1] else ""  # to see the original under it
        cells.append(_render_figure(source, f"Epoch {epoch}", what, attributes=stop))
    kind = {
        DISPLAY_MODES[0]: "beside",
        DISPLAY_MODES[1]: "overlay",
        DISPLAY_MODES[2]: "difference",
    }[mode]
    st.html(
        f'<div class="sf-augmented-grid {kind}" style="--original:url({original})">{"".join(cells)}</div>'
    )


def _render_difference(before: GreyImage, after: GreyImage) -> str:
    """Return a difference as an address; unlike a copy it need not be whole to the last pixel."""
    return heatmap.encode_data_url(
        augmentation.difference_image(before, after, DIFFERENCE_MAX_SIDE)
    )


def _render_figure(
    source: str, caption: str, alt: str, css_class: str = "", attributes: str = ""
) -> str:
    """Return a picture with its caption; `attributes` makes it one of the keyboard's."""
    return (
        f'<figure class="{css_class}"{attributes}><span><img src="{source}" alt="{escape(alt)}">'
        f"</span><figcaption>{escape(caption)}</figcaption></figure>"
    )


def show_difference_legend() -> None:
    """Say what the colours of a difference mean."""
    darker, brighter = (
        f"rgb{colour}" for colour in (augmentation.DARKER_COLOUR, augmentation.BRIGHTER_COLOUR)
    )
    equal = f"rgb{augmentation.UNCHANGED_COLOUR}"
    full = augmentation.FULL_SCALE_DIFFERENCE
    st.html(
        '<div class="sf-legend sf-difference-legend"><div class="bar"><i style="background:'
        f'linear-gradient(90deg,{darker},{equal},{brighter})"></i></div><div class="ends">'
        f"<span>{full} grey levels darker, or more</span><span>unchanged</span>"
        f"<span>{full} brighter, or more</span></div></div>"
    )


def show_transforms(preview_slice: PreviewSlice, config: AugmentationConfig) -> None:
    """Show each transform that is on alone, at both ends of its range."""
    active = [name for name in TRANSFORMS if config.is_enabled(name)]
    if not active:
        st.info("Every transform is off: training sees the slice as it is.")
        return
    original = _render_figure(
        heatmap.encode_data_url(preview_slice.pixels), "original", "The slice as it is", "middle"
    )
    rows = []
    for name in active:
        low, high = preview.preview_range_ends(preview_slice.pixels, config, name)
        cells = [
            _render_range_end(name, low[0], low[1], "low"),
            original,
            _render_range_end(name, high[0], high[1], "high"),
            _render_difference_figure(name, low[0], preview_slice.pixels, low[1], "low-change"),
            _render_difference_figure(name, high[0], preview_slice.pixels, high[1], "high-change"),
        ]
        rows.append(
            f"<h4>{name.capitalize()}</h4><div class='sf-range-ends'>{''.join(cells)}</div>"
        )
    st.html("".join(rows))
    show_difference_legend()


def _render_range_end(name: str, value: float, image: GreyImage, css_class: str) -> str:
    said = format_amount(name, value)
    return _render_figure(heatmap.encode_data_url(image), said, f"{name} alone, {said}", css_class)


def _render_difference_figure(
    name: str, value: float, before: GreyImage, after: GreyImage, css_class: str
) -> str:
    source = _render_difference(before, after)
    said = f"difference of {name} alone, {format_amount(name, value)}"
    return _render_figure(source, "difference", said, css_class)


def show_animation(preview_slice: PreviewSlice, config: AugmentationConfig) -> None:
    """Show one transform alone while its value goes through its range."""
    active = [name for name in TRANSFORMS if name != "flip" and config.is_enabled(name)]
    if not active:
        st.info("No transform with a range is on: widen a range to see it move.")
        return
    name_column, how_column = st.columns([1, 1], vertical_alignment="bottom")
    name = name_column.selectbox("Transform", active, format_func=str.capitalize)
    how = how_column.segmented_control(
        "Animation", ["Play", "By hand"], default="Play", required=True
    )
    steps = preview.preview_range(preview_slice.pixels, config, name)
    low, high = (format_amount(name, value) for value in config.get_range(name))
    if how == "Play":
        source = augmentation.encode_animation([picture for _, picture in steps])
        caption = f"{low} to {high} and back"
    else:
        middle = len(steps) // 2
        step = st.slider("Step", 1, len(steps), middle + 1, key=f"augmentation-step-{name}")
        value, picture = steps[step - 1]
        source, caption = heatmap.encode_data_url(picture), format_amount(name, value)
    original = _render_figure(
        heatmap.encode_data_url(preview_slice.pixels), "original", "The slice as it is"
    )
    moving = _render_figure(source, caption, f"{name} alone, {caption}")
    st.html(f'<div class="sf-animation">{original}{moving}</div>')


def show_histogram(preview_slice: PreviewSlice, config: AugmentationConfig, seed: int) -> None:
    """Show how the grey values of the slice and of its copies are distributed."""
    copies = preview.preview_epochs(preview_slice.pixels, config, seed, preview_slice.index)
    st.plotly_chart(
        augmentation.plot_grey_value_histogram(preview_slice.pixels, copies),
        config={"displayModeBar": False},
    )
    st.caption(
        f"The slice, and its {len(copies)} copies of the grid. What piles up at 0 or at 255 has "
        "become plain black or white, and cannot be told apart any more."
    )
