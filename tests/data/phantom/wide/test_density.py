"""A shell of cortex over cancellous bone."""

import cv2
import numpy as np

from spinefrac.data.phantom.canvas import Canvas
from spinefrac.data.phantom.wide.density import fill_density


def test_the_shell_is_dense_and_the_inside_is_not(anatomy, rng):
    canvas = Canvas.from_extent(-15, -15, 15, 15, 0.2)
    mask = canvas.empty_mask()
    cv2.circle(mask, (75, 75), 50, 1, -1)
    hu = fill_density(mask, canvas, anatomy, 1.0, rng)
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5) * 0.2
    shell, inside = hu[(depth > 0) & (depth < 0.4)], hu[depth > 3]
    assert abs(np.median(shell) - anatomy.cortex_hu) < 150
    assert abs(np.median(inside) - 1.3 * anatomy.trabecular) < 60
