"""What an augmentation makes of a slice: the grid, single transforms, movement, histogram."""

from __future__ import annotations

from html import escape

import streamlit as st

from spinefrac.records import GreyImage
from spinefrac.training.augmentation import preview
from spinefrac.training.augmentation.config import TRANSFORMS, AugmentationConfig
from spinefrac.ui.augmentation.controls import amount
from spinefrac.ui.augmentation.source import Shown
from spinefrac.viz import augmentation, heatmap

#: Longest side of a difference, in pixels.
DIFFERENCE_SIDE = 256

MODES = ("Beside the original", "Copies", "Difference")


def grid(shown: Shown, config: AugmentationConfig, seed: int, mode: str) -> None:
    """Show what training sees of the slice in its first epochs."""
    copies = preview.grid(shown.pixels, config, seed, shown.index)
    original = heatmap.data_url(shown.pixels)
    cells = [_figure(original, "Original", "The slice as the network sees it", "first")]
    for epoch, copy in enumerate(copies, start=1):
        if mode == MODES[2]:
            source = _difference(shown.pixels, copy)
            what = f"Difference of the copy in epoch {epoch}"
        else:
            source, what = heatmap.data_url(copy), f"Copy in epoch {epoch}"
        stop = ' tabindex="0"' if mode == MODES[1] else ""  # to see the original under it
        cells.append(_figure(source, f"Epoch {epoch}", what, stop=stop))
    kind = {MODES[0]: "beside", MODES[1]: "over", MODES[2]: "difference"}[mode]
    st.html(
        f'<div class="sf-copies {kind}" style="--original:url({original})">{"".join(cells)}</div>'
    )


def _difference(before: GreyImage, after: GreyImage) -> str:
    """Return a difference as an address; unlike a copy it need not be whole to the last pixel."""
    return heatmap.data_url(augmentation.difference(before, after, DIFFERENCE_SIDE))


def _figure(source: str, caption: str, alt: str, kind: str = "", stop: str = "") -> str:
    """Return a picture with its caption; `stop` makes it one of the keyboard's."""
    return (
        f'<figure class="{kind}"{stop}><span><img src="{source}" alt="{escape(alt)}">'
        f"</span><figcaption>{escape(caption)}</figcaption></figure>"
    )


def legend() -> None:
    """Say what the colours of a difference mean."""
    darker, brighter = (f"rgb{colour}" for colour in (augmentation.DARKER, augmentation.BRIGHTER))
    equal = f"rgb{augmentation.EQUAL}"
    full = augmentation.FULL_COLOUR
    st.html(
        '<div class="sf-legend sf-change"><div class="bar"><i style="background:'
        f'linear-gradient(90deg,{darker},{equal},{brighter})"></i></div><div class="ends">'
        f"<span>{full} grey levels darker, or more</span><span>unchanged</span>"
        f"<span>{full} brighter, or more</span></div></div>"
    )


def one_by_one(shown: Shown, config: AugmentationConfig) -> None:
    """Show each transform that is on alone, at both ends of its range."""
    active = [name for name in TRANSFORMS if config.is_on(name)]
    if not active:
        st.info("Every transform is off: training sees the slice as it is.")
        return
    original = _figure(heatmap.data_url(shown.pixels), "original", "The slice as it is", "middle")
    rows = []
    for name in active:
        low, high = preview.ends(shown.pixels, config, name)
        cells = [
            _end(name, low[0], low[1], "low"),
            original,
            _end(name, high[0], high[1], "high"),
            _change(name, low[0], shown.pixels, low[1], "low-change"),
            _change(name, high[0], shown.pixels, high[1], "high-change"),
        ]
        rows.append(f"<h4>{name.capitalize()}</h4><div class='sf-ends'>{''.join(cells)}</div>")
    st.html("".join(rows))
    legend()


def _end(name: str, value: float, picture: GreyImage, kind: str) -> str:
    said = amount(name, value)
    return _figure(heatmap.data_url(picture), said, f"{name} alone, {said}", kind)


def _change(name: str, value: float, before: GreyImage, after: GreyImage, kind: str) -> str:
    source = _difference(before, after)
    said = f"difference of {name} alone, {amount(name, value)}"
    return _figure(source, "difference", said, kind)


def movement(shown: Shown, config: AugmentationConfig) -> None:
    """Show one transform alone while its value goes through its range."""
    active = [name for name in TRANSFORMS if name != "flip" and config.is_on(name)]
    if not active:
        st.info("No transform with a range is on: widen a range to see it move.")
        return
    name_column, how_column = st.columns([1, 1], vertical_alignment="bottom")
    name = name_column.selectbox("Transform", active, format_func=str.capitalize)
    how = how_column.segmented_control(
        "Animation", ["Play", "By hand"], default="Play", required=True
    )
    steps = preview.frames(shown.pixels, config, name)
    low, high = (amount(name, value) for value in config.range_of(name))
    if how == "Play":
        source = augmentation.animation([picture for _, picture in steps])
        caption = f"{low} to {high} and back"
    else:
        middle = len(steps) // 2
        step = st.slider("Step", 1, len(steps), middle + 1, key=f"augmentation-step-{name}")
        value, picture = steps[step - 1]
        source, caption = heatmap.data_url(picture), amount(name, value)
    original = _figure(heatmap.data_url(shown.pixels), "original", "The slice as it is")
    moving = _figure(source, caption, f"{name} alone, {caption}")
    st.html(f'<div class="sf-moving">{original}{moving}</div>')


def histogram(shown: Shown, config: AugmentationConfig, seed: int) -> None:
    """Show how the grey values of the slice and of its copies are distributed."""
    copies = preview.grid(shown.pixels, config, seed, shown.index)
    st.plotly_chart(augmentation.histogram(shown.pixels, copies), config={"displayModeBar": False})
    st.caption(
        f"The slice, and its {len(copies)} copies of the grid. What piles up at 0 or at 255 has "
        "become plain black or white, and cannot be told apart any more."
    )
