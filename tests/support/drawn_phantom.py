"""A phantom of another generator than the package's own: ellipses that change along a patient,
with or without noise, and positioned anew for every slice or not."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.imaging import apply_window
from spinefrac.records import BONE_WINDOW, GreyImage

#: Height and width of a slice, in pixels.
SIDE = 256

_Hounsfield = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DrawnKind:
    """How slices are drawn: standard deviation of noise and of texture in Hounsfield units (the
    texture is the patient's, the noise the slice's), and degrees by which each is rotated at
    most."""

    noise: float = 25.0
    noise_sigma: float = 0.8
    texture: float = 0.0
    max_degrees: float = 0.0


KINDS = {
    "noise": DrawnKind(),
    "much fine noise": DrawnKind(60.0, 0.0),
    "little noise": DrawnKind(6.0),
    "texture": DrawnKind(10.0, texture=25.0),
    "rotated each": DrawnKind(max_degrees=4.0),
    "rotated each, with texture": DrawnKind(texture=25.0, max_degrees=8.0),
    "no noise": DrawnKind(0.0),
    "no noise, rotated each": DrawnKind(0.0, max_degrees=4.0),
}


def draw_patient(seed: int, slices: int, kind: DrawnKind = DrawnKind()) -> list[GreyImage]:
    """Draw the slices of one patient in the bone window, each of shape (SIDE, SIDE)."""
    generator = np.random.default_rng(seed)
    body = _Body(
        width=generator.uniform(85, 110),
        height=generator.uniform(60, 80),
        offset=generator.uniform((-4, 15), (4, 30)),
        vertebra=generator.uniform((16, 12), (22, 16)),
    )
    texture = _make_noise(generator, 4.0)
    drawn = []
    for position in range(slices):
        image = _draw_body(body, position / 8)
        image += kind.texture * texture * (image > -500)
        image = _position(image, generator, kind.max_degrees)
        image += kind.noise * _make_noise(generator, kind.noise_sigma)
        drawn.append(apply_window(image, *BONE_WINDOW))
    return drawn


@dataclass(frozen=True)
class _Body:
    """Half axes of a body, and place and half axes of its vertebra, in pixels."""

    width: float
    height: float
    offset: npt.NDArray[np.float64]
    vertebra: npt.NDArray[np.float64]


def _draw_body(body: _Body, t: float) -> _Hounsfield:
    """Draw the anatomy at a place along the patient, symmetric but for the vertebra's place."""
    image = np.full((SIDE, SIDE), -1000, np.float32)
    x, y = body.offset
    width, height = body.width + 3 * np.sin(t), body.height + 2 * np.cos(t)
    _draw_ellipse(image, (0, 0), (width, height), 0, -80)
    _draw_ellipse(image, (0, 0), (width - 9, body.height - 9), 0, 50)
    for side in (-1, 1):
        _draw_ellipse(image, (45 * side, -5), (14 + 2 * t, 18), 20 * side, 30 + 40 * np.cos(t))
        process = (side * (24 + 2 * np.sin(2 * t)), y + 4)
        _draw_ellipse(image, process, (10, 3.5), side * (25 + 8 * t), 450)
    shape = body.vertebra + np.array((1.5 * np.sin(1 + t), np.cos(t)))
    _draw_ellipse(image, (x, y), tuple(shape), 0, 700)
    _draw_ellipse(image, (x, y), tuple(shape - 3), 0, 250)
    _draw_ellipse(image, (x, y + 20), (8, 6), 0, 30)
    _draw_ellipse(image, (x, y + 33), (3, 9 + 3 * np.sin(t)), 0, 500)
    return image


def _draw_ellipse(
    image: _Hounsfield,
    centre: tuple[float, float],
    half_axes: tuple[float, ...],
    degrees: float,
    hu: float,
) -> None:
    """Draw an ellipse with soft edges; the centre is given from that of the image."""
    mask = np.zeros_like(image)
    place = [round(16 * (SIDE / 2 + value)) for value in centre]
    axes = [round(16 * value) for value in half_axes]
    cv2.ellipse(mask, place, axes, degrees, 0, 360, 1, -1, cv2.LINE_AA, 4)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.5)
    image[:] = image * (1 - mask) + hu * mask


def _make_noise(generator: np.random.Generator, sigma: float) -> _Hounsfield:
    """Make noise of standard deviation 1."""
    noise = generator.standard_normal((SIDE, SIDE)).astype(np.float32)
    if sigma:
        noise = cv2.GaussianBlur(noise, (0, 0), sigma)
    return np.asarray(noise / noise.std())


def _position(
    image: _Hounsfield, generator: np.random.Generator, max_degrees: float
) -> _Hounsfield:
    """Rotate, move and scale the anatomy a little."""
    if not max_degrees:
        return image
    degrees = generator.uniform(-max_degrees, max_degrees)
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), degrees, generator.uniform(0.97, 1.03))
    matrix[:, 2] += generator.uniform(-3, 3, 2)
    moved = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderValue=-1000)
    return np.asarray(moved)
