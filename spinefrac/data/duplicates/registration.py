"""Register slices: is one another rotated, mirrored, sharpened, resized or recompressed.

A thumbnail is sampled on rings around its centre. A rotation shifts every ring by the same angle
and mirroring reverses it, so the magnitudes of the rings' Fourier series are invariant to both:
they find candidates. The phases then give the angle (the peak of the circular
correlation over all rings, as in polar phase correlation, Casasent and Psaltis, 1976) and how
well the slices agree there. Everything beyond the inscribed circle, which a rotation cuts off, is
left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.records import GreyImage

#: Side of a thumbnail, in pixels.
THUMBNAIL_SIDE = 64
#: Rings, samples on each, and harmonics of each that are used.
RINGS, SAMPLES, HARMONICS = 26, 128, 48
#: Steps of a full turn in which the angle is sought, 0.7 degrees each; a parabola through the
#: highest three finds it to a tenth of a degree.
ROTATION_STEPS = 512
#: Standard deviations of the two Gaussians of the band-pass, in pixels of a thumbnail.
FINE_SIGMA, COARSE_SIGMA = 0.8, 3.0
#: Standard deviation of the band-passed thumbnail, in grey levels, under which a slice is too
#: empty to be compared.
MIN_DETAIL = 0.5

Spectra = npt.NDArray[np.complex64]
FloatRows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Alignment:
    """The alignment of pairs of slices, without mirroring and with it.

    A symmetric slice resembles its own mirror image, so both are kept.

    Attributes
    ----------
    correlation : float32 array, shape (2, M)
        Of the band-passed thumbnails where they agree best, -1…1: rotated only, and mirrored and
        rotated.
    rotation_degrees : float32 array, shape (2, M)
        Rotation of the second against the first, -180…180.
    """

    correlation: FloatRows
    rotation_degrees: FloatRows


def make_thumbnail(image: GreyImage) -> GreyImage:
    """Shrink a slice, shape (H, W), to a thumbnail, shape (THUMBNAIL_SIDE, THUMBNAIL_SIDE)."""
    small = cv2.resize(image, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def _ring_coordinates() -> tuple[FloatRows, FloatRows]:
    """Return the sampling points of a thumbnail: columns and rows, each (RINGS, SAMPLES)."""
    radius = np.linspace(2, THUMBNAIL_SIDE / 2 - 1.5, RINGS)[:, None]
    angle = np.arange(SAMPLES) * (2 * np.pi / SAMPLES)
    centre = (THUMBNAIL_SIDE - 1) / 2
    columns, rows = centre + radius * np.cos(angle), centre + radius * np.sin(angle)
    return columns.astype(np.float32), rows.astype(np.float32)


_COLUMNS, _ROWS = _ring_coordinates()
#: A ring stands for an area that grows with its radius.
_WEIGHTS = np.sqrt(np.linspace(2, THUMBNAIL_SIDE / 2 - 1.5, RINGS)).astype(np.float32)[:, None]


def ring_spectra(thumbnails: GreyImage) -> Spectra:
    """Return the Fourier series of each thumbnail's rings, of unit energy.

    Parameters
    ----------
    thumbnails : uint8 array, shape (N, THUMBNAIL_SIDE, THUMBNAIL_SIDE)

    Returns
    -------
    complex64 array, shape (N, RINGS, HARMONICS)
        All zeros for a slice that is too empty.
    """
    rings = np.zeros((len(thumbnails), RINGS, SAMPLES), dtype=np.float32)
    for row, thumbnail in enumerate(thumbnails):
        grey = thumbnail.astype(np.float32)
        band = cv2.GaussianBlur(grey, (0, 0), FINE_SIGMA) - cv2.GaussianBlur(
            grey, (0, 0), COARSE_SIGMA
        )
        if band.std() < MIN_DETAIL:
            continue
        # Contrast is evened out, so that a sharpened or brightened copy looks like its slice.
        contrast = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 1.5 * COARSE_SIGMA)) + 2.0
        rings[row] = cv2.remap(band / contrast, _COLUMNS, _ROWS, cv2.INTER_LINEAR)
    rings *= _WEIGHTS
    series = np.fft.rfft(rings, axis=2)[:, :, :HARMONICS].astype(np.complex64)
    series[:, :, 1:] *= np.float32(np.sqrt(2))  # the conjugate half, which is left out
    energy = np.sqrt((np.abs(series) ** 2).sum(axis=(1, 2), keepdims=True))
    return np.divide(series, energy, out=np.zeros_like(series), where=energy > 1e-3)


def rotation_invariants(spectra: Spectra) -> FloatRows:
    """Return the rotation and mirror invariants of `ring_spectra`, shape (N, D), not centred."""
    magnitude = np.abs(spectra[:, :, 1:25])
    pooled = magnitude.reshape(len(spectra), RINGS // 2, 2, 12, 2).sum(axis=(2, 4))
    return np.sqrt(pooled).reshape(len(spectra), RINGS // 2 * 12)


def align_pairs(first: Spectra, second: Spectra) -> Alignment:
    """Find the rotation and mirroring of each of `second` that fits its partner in `first` best.

    Parameters
    ----------
    first, second : complex64 arrays, shape (M, RINGS, HARMONICS)
        From `ring_spectra`.
    """
    rotated = _find_peaks(np.einsum("mrk,mrk->mk", first.conj(), second))
    mirrored = _find_peaks(np.einsum("mrk,mrk->mk", first, second))
    correlation, steps = np.stack([rotated, mirrored], axis=1)
    degrees = (steps * 360 / ROTATION_STEPS + 180) % 360 - 180
    return Alignment(correlation, degrees)


def _find_peaks(cross: npt.NDArray[np.complex64]) -> tuple[FloatRows, FloatRows]:
    """Return the highest circular correlation of each row (M, HARMONICS), and at which step, a
    fraction of one included."""
    halved = cross.copy()
    halved[:, 1:] /= 2  # irfft counts every harmonic but the first twice
    correlation = np.fft.irfft(halved, n=ROTATION_STEPS, axis=1) * ROTATION_STEPS
    highest = correlation.argmax(axis=1)
    before, peak, after = (
        np.take_along_axis(correlation, (highest[:, None] + offset) % ROTATION_STEPS, 1)[:, 0]
        for offset in (-1, 0, 1)
    )
    curvature = before - 2 * peak + after
    offset = np.divide(before - after, 2 * curvature, np.zeros_like(peak), where=curvature < 0)
    return peak.astype(np.float32), (highest + offset).astype(np.float32)
