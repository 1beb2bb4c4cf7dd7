"""Rendered slices: masks lie on the fractures, and nothing is measured on their seeds."""

import re
from pathlib import Path

import numpy as np

from spinefrac.imaging import to_input
from spinefrac.records import CtSlice, Preprocessing, Square
from spinefrac.training.pretraining import phantom_slices
from spinefrac.training.pretraining.phantom_slices import PhantomSource

ROOT = Path(__file__).parents[3]
SMALL = PhantomSource("easy", 9_150_091, patients=12, step=12)


def test_a_mask_lands_where_its_slice_does():
    """Whatever the crop, the bright place of the slice is the place of the mask."""
    for top, left in ((40, 60), (150, 100), (10, 180)):
        mask = np.zeros((200, 240), np.uint8)
        mask[top : top + 24, left : left + 30] = 1
        ct = CtSlice(pixels=mask * np.float32(255), calibrated=False, format="png")
        for crop in (True, False):
            cut = to_input(ct, Preprocessing(size=80, bone_crop=crop))
            projected = phantom_slices.project_mask(mask, cut.square, 80)
            assert projected.any()
            assert np.abs(projected.astype(int) - cut.pixels).max() <= 1


def test_there_is_no_fracture_beyond_the_slice():
    mask = np.ones((10, 20), np.uint8)
    projected = phantom_slices.project_mask(mask, Square(top=-5, left=0, side=20), 20)
    assert projected[5:15].min() == 255
    assert projected[:5].max() == projected[15:].max() == 0


def test_parts_are_rendered_once_and_the_same_in_any_process(tmp_path):
    done: list[tuple[int, int]] = []
    first = phantom_slices.render_sources(
        tmp_path, [SMALL], 48, workers=1, progress=lambda *counts: done.append(counts)
    )
    assert done == [(1, 2), (2, 2)]
    assert first.pixels.shape == first.masks.shape == (12, 48, 48)
    assert (first.masks.any(axis=(1, 2)) == (first.labels == 1)).all() and first.labels.any()
    assert len(np.unique(first.patients)) == 12
    part = sorted(tmp_path.iterdir())[0]
    content = part.read_bytes()
    part.unlink()  # as if it had been stopped before
    again = phantom_slices.render_sources(tmp_path, [SMALL], 48, workers=1)
    assert part.read_bytes() == content and np.array_equal(first.pixels, again.pixels)


def test_patients_of_two_sources_are_different(tmp_path):
    sources = [PhantomSource("easy", 9_150_092, 1, step=6), PhantomSource("easy", 9_150_093, 1, 6)]
    slices = phantom_slices.render_sources(tmp_path, sources, 32, workers=1)
    assert len(np.unique(slices.patients)) == 2


def test_seeds_are_those_of_no_test_and_no_benchmark():
    sources = [
        *phantom_slices.NARROW_SOURCES,
        *phantom_slices.WIDE_SOURCES,
        *phantom_slices.CURVE_SOURCES,
        *phantom_slices.FIGURE_SOURCES,
    ]
    seeds = [source.seed for source in sources]
    assert len(set(seeds)) == len(seeds)
    texts = [
        path.read_text()
        for folder in ("tests", "benchmarks", "spinefrac/ui/samples")
        for path in (ROOT / folder).rglob("*.py")
    ]
    texts.append((ROOT / "Makefile").read_text())
    used = {int(n.replace("_", "")) for text in texts for n in re.findall(r"\b\d[\d_]*\b", text)}
    assert used.isdisjoint(seeds)
