"""Fracture lines: darker than the bone, and as wide as the difficulty."""

import cv2
import numpy as np

from spinefrac.data.phantom import render


def test_lines_are_darker_than_the_bone_they_run_through():
    whole = {"patients": 9, "slices": 4, "seed": 11, "difficulty": "easy", "noise": False}
    darker = []
    for patient in range(9):
        broken = render(patient, 1, **whole, fractured=True)
        intact = render(patient, 1, **whole, fractured=False)
        inside = broken.mask.astype(bool)
        darker.append(float((intact.hu - broken.hu)[inside].mean()))
    assert np.mean(darker) > 100


def test_a_line_is_as_wide_as_its_difficulty_says():
    narrow, wide = (
        np.mean(
            [
                np.percentile(cv2.distanceTransform(image.mask, cv2.DIST_L2, 5)[image.mask > 0], 90)
                * image.spacing_mm
                for image in (
                    render(p, 0, patients=12, slices=2, seed=5, difficulty=d, fractured=True)
                    for p in range(12)
                )
            ]
        )
        for d in ("hard", "easy")
    )
    assert narrow < wide
    assert 0.2 < narrow < 1.0 < 2 * wide < 5.0
