"""A generator of vertebrae that shares no code with the package's phantom: slices of other origin.

A vertebra is a solid made of implicit shapes (ellipsoids and capsules in three dimensions), cut
by an oblique plane. A fracture is the zero of a function of space, a plane bent by waves: its two
sides are shifted against each other, and where it meets bone the bone is missing. Tissue is a
thresholded random field, and noise is filtered as back projection filters it, in the frequency
domain.

Networks are measured on these slices. They are never trained on them before they are measured,
so nothing in the package may import this.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

#: Side of a slice in pixels.
SIDE = 512
#: Shapes are smooth: they are computed on a grid of this many points a side, then enlarged.
_GRID = 256
_FRACTURED_PATIENTS = 0.55
_LEAST_PIXELS = 25  # of a fracture that a slice shows; below it, the slice has none

Field = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Hardness:
    """Ranges of the fracture's width (mm), of the density that it takes away (share), of the
    shift across it (mm), and of the noise (HU)."""

    width_mm: tuple[float, float]
    contrast: tuple[float, float]
    shift_mm: tuple[float, float]
    noise_hu: tuple[float, float]


HARDNESS = {
    "standard": Hardness((1.2, 2.5), (0.85, 1.0), (0.0, 2.0), (20, 50)),
    "hard": Hardness((0.5, 1.5), (0.6, 0.95), (0.0, 0.8), (45, 95)),
}


@dataclass(frozen=True)
class SecondSlice:
    """A slice.

    Attributes
    ----------
    grey : uint8 array, shape (512, 512), in a bone window.
    mask : uint8 array, shape (512, 512), 1 where the fracture is.
    label : 1 fracture, 0 none.
    spacing_mm : side of a pixel.
    """

    grey: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.uint8]
    label: int
    spacing_mm: float


@dataclass(frozen=True)
class _Capsule:
    """A limb: from a to b (x right, y back, z down; mm), its radius from `start` to `end`."""

    a: Vector
    b: Vector
    start: float
    end: float


@dataclass(frozen=True)
class _Surroundings:
    """Half axes of the trunk or neck, and an airway's place and radius (0 is none), mm."""

    half_axes: tuple[float, float]
    airway: tuple[float, float]
    airway_radius: float


@dataclass(frozen=True)
class _Vertebra:
    """A solid. Lengths in mm; the body is an ellipsoid of degree `power`."""

    half: Vector
    power: float
    canal: Vector  # y of the centre, half width, half depth
    limbs: tuple[_Capsule, ...]
    ribs: tuple[_Capsule, ...]  # of other bones: a gap stays around them
    shell_mm: float
    shell_hu: float
    inner_hu: float
    grain_hu: float
    grain_mm: float
    vessels: tuple[_Capsule, ...]
    surroundings: _Surroundings


@dataclass(frozen=True)
class _Crack:
    """A bent plane through a ball. Lengths in mm."""

    normal: Vector
    point: Vector
    reach: float
    waves: npt.NDArray[np.float64]  # (n, 5): wave vector, phase, amplitude
    width: float
    contrast: float
    shift: Vector


def draw_slice(
    patient: int,
    index: int,
    *,
    seed: int,
    difficulty: str = "hard",
    slices: int = 12,
    fractured: bool | None = None,
) -> SecondSlice:
    """Draw one slice; the same arguments give the same slice.

    `fractured` overrides whether the patient is; a slice that the crack misses stays without.
    """
    hardness = HARDNESS[difficulty]
    person = np.random.default_rng([seed, patient])
    broken = bool(person.uniform() < _FRACTURED_PATIENTS)
    bone = _sample_vertebra(person)
    cracks = _sample_cracks(np.random.default_rng([seed, patient, 1]), bone, hardness)
    spacing = person.uniform(0.2, 0.42)
    noise = person.uniform(*hardness.noise_hu)
    blur_mm, sharp = person.uniform(0.25, 0.5), person.uniform(0, 1)
    window = person.uniform(350, 600), person.uniform(1500, 2500)
    height = (person.uniform() + index / slices) % 1.0 * 1.3 - 0.65  # of the body's half height
    tilt = person.normal(0, 0.12, 2)
    centre = person.normal(0, 8, 2) + np.array([0, 12])
    turn = person.normal(0, 0.12)
    rng = np.random.default_rng([seed, patient, 2, index])
    plane = _make_plane(_GRID, spacing * SIDE / _GRID, height * bone.half[2], tilt, centre, turn)
    wanted = broken if fractured is None else fractured
    hu, mask = _render(bone, cracks if wanted else (), plane, spacing, rng)
    if mask.sum() < _LEAST_PIXELS and wanted:
        rng = np.random.default_rng([seed, patient, 2, index])
        hu, mask = _render(bone, (), plane, spacing, rng)
    hu = cv2.GaussianBlur(hu, (0, 0), blur_mm / spacing)
    hu = hu + noise * _make_noise(np.random.default_rng([seed, patient, 3, index]), sharp)
    grey = np.clip((hu - window[0] + window[1] / 2) / window[1], 0, 1) * 255
    return SecondSlice(np.rint(grey).astype(np.uint8), mask, int(mask.any()), spacing)


def write_folder(
    out: Path, *, patients: int, slices: int, seed: int, difficulty: str = "hard"
) -> list[SecondSlice]:
    """Write ``fracture/``, ``normal/`` and ``masks/`` as a phantom has them; return the slices."""
    for name in ("fracture", "normal", "masks"):
        (out / name).mkdir(parents=True, exist_ok=True)
    drawn = []
    for patient in range(patients):
        for index in range(slices):
            one = draw_slice(patient, index, seed=seed, difficulty=difficulty, slices=slices)
            name = f"P{patient:03d}_{index:02d}.png"
            cv2.imwrite(str(out / ("normal", "fracture")[one.label] / name), one.grey)
            if one.label:
                cv2.imwrite(str(out / "masks" / name), one.mask * 255)
            drawn.append(one)
    return drawn


# --- solids ------------------------------------------------------------------------------


def _sample_vertebra(rng: np.random.Generator) -> _Vertebra:
    """Draw a vertebra between a small cervical and a large lumbar one."""
    size = rng.uniform(0, 1)
    half = np.array([10 + 14 * size, 7.5 + 10 * size, 7 + 9 * size]) * rng.uniform(0.9, 1.1, 3)
    canal = np.array([half[1] + 7.5 * rng.uniform(0.85, 1.1), rng.uniform(8, 12.5),
                      rng.uniform(7, 9)])  # fmt: skip
    thick = rng.uniform(2.2, 3.4) + 1.4 * size
    limbs: list[_Capsule] = []
    for side in (-1, 1):
        lean = rng.normal(0, 0.8, (4, 3))
        root = np.array([side * half[0] * 0.7, half[1] * 0.55, -1]) + lean[0]
        corner = np.array([side * (canal[1] + thick), canal[0] - 1, 0]) + lean[1]
        behind = np.array([side * 1.0, canal[0] + canal[2] + thick, 4 * size + 2])
        tip = corner + np.array(
            [side * rng.uniform(12, 26), rng.uniform(-3, 12), rng.uniform(-2, 2)]
        )
        limbs += [
            _Capsule(root, corner, thick * 1.2, thick * 1.1),
            _Capsule(corner, behind, thick, thick * 0.9),
            _Capsule(corner, tip, thick * 1.2, thick * rng.uniform(0.6, 1.0)),
            _Capsule(
                corner + np.array([0, 2, -6]),
                corner + np.array([side, 5, 8]),
                thick * 1.4,
                thick * 1.2,
            ),
        ]
    start = np.array([0, canal[0] + canal[2] + thick, 4 * size + 2])
    end = start + np.array([rng.normal(0, 2), rng.uniform(14, 30), rng.uniform(0, 8)])
    limbs.append(_Capsule(start, end, thick * 1.1, thick * rng.uniform(0.6, 1.1)))
    vessels = tuple(
        _Capsule(
            rng.normal(0, 0.4, 3) * half, rng.normal(0, 0.9, 3) * half, *rng.uniform(0.3, 1, 2)
        )
        for _ in range(int(rng.integers(1, 5)))
    )
    return _Vertebra(
        half=half,
        power=rng.uniform(2.2, 3.2),
        canal=canal,
        limbs=tuple(limbs),
        ribs=_sample_ribs(rng, half, canal) if 0.2 < size < 0.6 else (),
        shell_mm=rng.uniform(0.6, 1.4),
        shell_hu=rng.uniform(700, 1400),
        inner_hu=rng.uniform(110, 340),
        grain_hu=rng.uniform(25, 110),
        grain_mm=rng.uniform(0.5, 1.4),
        vessels=vessels,
        surroundings=_Surroundings(
            half_axes=(rng.uniform(70, 190), rng.uniform(60, 120)),
            airway=(rng.normal(0, 20), -rng.uniform(28, 60)),
            airway_radius=rng.uniform(5, 16) if rng.uniform() < 0.5 else 0.0,
        ),
    )


def _sample_ribs(rng: np.random.Generator, half: Vector, canal: Vector) -> tuple[_Capsule, ...]:
    ribs = []
    for side in (-1, 1):
        head = np.array([side * (half[0] + 5), half[1] * 0.9, rng.normal(0, 3)])
        end = head + np.array([side * 32, 14 + canal[2], rng.uniform(2, 10)])
        ribs.append(_Capsule(head, end, 3.6, 3.2))
    return tuple(ribs)


def _sample_cracks(
    rng: np.random.Generator, bone: _Vertebra, hardness: Hardness
) -> tuple[_Crack, ...]:
    """Draw one to three cracks of one fracture, in the body or across limbs."""
    width, contrast = rng.uniform(*hardness.width_mm), rng.uniform(*hardness.contrast)
    cracks = []
    for _ in range(int(rng.choice((1, 2, 3), p=(0.5, 0.3, 0.2)))):
        if rng.uniform() < 0.6:
            point = rng.normal(0, 0.35, 3) * bone.half
            normal = rng.normal(0, 1, 3) * (1, 1, 0.3)
            reach = rng.uniform(0.7, 1.6) * bone.half[0]
        else:
            limb = bone.limbs[rng.integers(len(bone.limbs))]
            point = limb.a + rng.uniform(0.25, 0.8) * (limb.b - limb.a)
            normal = (limb.b - limb.a) + rng.normal(0, 4, 3)
            reach = rng.uniform(2.0, 3.0) * max(limb.start, limb.end)
        vectors = rng.normal(0, 1, (7, 3)) / rng.uniform(0.5, 4, (7, 1))
        amplitude = 0.3 / np.hypot(np.hypot(vectors[:, 0], vectors[:, 1]), vectors[:, 2])
        waves = np.column_stack([vectors, rng.uniform(0, 6.3, 7), amplitude])
        along = np.cross(normal, rng.normal(0, 1, 3))
        shift = along / np.linalg.norm(along) * rng.uniform(*hardness.shift_mm)
        unit = normal / np.linalg.norm(normal)
        cracks.append(_Crack(unit, point, reach, waves, width, contrast, shift))
    return tuple(cracks)


# --- cutting ------------------------------------------------------------------------------


def _make_plane(
    side: int, step: float, height: float, tilt: Vector, centre: Vector, turn: float
) -> list[Field]:
    """Return x, y and z in mm of each point of an oblique plane, each of shape (side, side)."""
    at = (np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)) * np.float32(step)
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    x = c * at[None] - s * at[:, None] + np.float32(centre[0])
    y = s * at[None] + c * at[:, None] + np.float32(centre[1])
    return [x, y, np.float32(height) + np.float32(tilt[0]) * x + np.float32(tilt[1]) * y]


def _distance_to_capsule(p: list[Field], limb: _Capsule) -> Field:
    axis = limb.b - limb.a
    from_a = [p[i] - np.float32(limb.a[i]) for i in range(3)]
    t = sum(from_a[i] * np.float32(axis[i] / (axis @ axis)) for i in range(3))
    t = np.clip(t, 0, 1)
    square = sum((from_a[i] - t * np.float32(axis[i])) ** 2 for i in range(3))
    radius = np.float32(limb.start) + t * np.float32(limb.end - limb.start)
    return np.asarray(np.sqrt(square) - radius)


def _distance_to_bone(bone: _Vertebra, p: list[Field]) -> Field:
    """Return the signed distance to the solid in mm, about; negative inside."""
    k = np.float32(bone.power)
    waist = 1 - 0.08 * (1 - np.clip(p[2] / np.float32(bone.half[2]), -1, 1) ** 2)
    ratio = sum(
        np.abs(p[i] / (np.float32(bone.half[i]) * (waist if i < 2 else 1))) ** (k if i < 2 else 6)
        for i in range(3)
    )
    body = (ratio ** (1 / k) - 1) * np.float32(min(bone.half[:2]))
    arch = np.minimum.reduce([_distance_to_capsule(p, limb) for limb in bone.limbs])
    y, wide, deep = (np.float32(v) for v in bone.canal)
    canal = (np.sqrt((p[0] / wide) ** 2 + ((p[1] - y) / deep) ** 2) - 1) * min(wide, deep)
    own = np.minimum(body, np.maximum(arch, -canal))
    for rib in bone.ribs:
        away = _distance_to_capsule(p, rib)
        own = np.minimum(np.maximum(own, np.float32(1.2) - away), away)
    return np.asarray(own, np.float32)


def _distance_to_crack(crack: _Crack, p: list[Field]) -> tuple[Field, Field]:
    """Return the signed distance to a bent plane, and 1 inside its ball fading to 0 outside."""
    off = [p[i] - np.float32(crack.point[i]) for i in range(3)]
    signed = sum(off[i] * np.float32(crack.normal[i]) for i in range(3))
    for kx, ky, kz, phase, amplitude in crack.waves.astype(np.float32):
        signed = signed + amplitude * np.sin(kx * off[0] + ky * off[1] + kz * off[2] + phase)
    far = np.sqrt(sum(part**2 for part in off))
    inside = np.clip((np.float32(crack.reach) - far) / 2, 0, 1)
    return np.asarray(signed, np.float32), np.asarray(inside, np.float32)


def _enlarge(field: Field) -> Field:
    return np.asarray(cv2.resize(field, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))


def _random_field(rng: np.random.Generator, nodes: int) -> Field:
    lattice = rng.standard_normal((nodes, nodes)).astype(np.float32)
    return np.asarray(cv2.resize(lattice, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


def _render(
    bone: _Vertebra,
    cracks: tuple[_Crack, ...],
    plane: list[Field],
    spacing: float,
    rng: np.random.Generator,
) -> tuple[Field, npt.NDArray[np.uint8]]:
    """Return the ideal slice in HU and the fracture's mask, both of shape (512, 512)."""
    places, gaps = plane, []
    for crack in cracks:
        signed, inside = _distance_to_crack(crack, plane)
        moved = (signed > 0) * inside
        places = [places[i] + np.float32(crack.shift[i]) * moved for i in range(3)]
        gaps.append((_enlarge(signed), _enlarge(inside), crack))
    distance = _enlarge(_distance_to_bone(bone, places))
    present = np.clip(0.5 - distance / np.float32(spacing), 0, 1)
    grain = _random_field(rng, int(SIDE * spacing / bone.grain_mm) + 2)
    inner = np.float32(bone.inner_hu) + np.float32(bone.grain_hu) * grain
    inner += np.float32(40) * _random_field(rng, 12)
    channels = np.minimum.reduce([_distance_to_capsule(plane, v) for v in bone.vessels])
    inner -= np.clip(0.5 - _enlarge(channels), 0, 1) * np.maximum(inner - 60, 0)
    shell = np.clip((distance + np.float32(bone.shell_mm)) / np.float32(0.5) + 0.5, 0, 1)
    density = inner + (np.float32(bone.shell_hu) - inner) * shell
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for signed, inside, crack in gaps:
        gap = np.clip((crack.width / 2 - np.abs(signed)) / spacing + 0.5, 0, 1) * inside
        density = density - gap * np.float32(crack.contrast) * np.maximum(density - 40, 0)
        mask |= ((gap > 0.5) & (present > 0.5)).astype(np.uint8)
    tissue = _make_tissue(plane, bone.surroundings, rng)
    return np.asarray(tissue + present * (density - tissue), np.float32), mask


def _make_tissue(plane: list[Field], around: _Surroundings, rng: np.random.Generator) -> Field:
    """Return muscle and fat, divided by a random field, inside an ellipse in air."""
    pattern = _random_field(rng, 14) + 0.5 * _random_field(rng, 40)
    tissue = np.where(pattern > 0.55, np.float32(-85), np.float32(52)).astype(np.float32)
    tissue = cv2.GaussianBlur(tissue, (0, 0), 1.2) + 6 * _random_field(rng, 60)
    across, along = (np.float32(value) for value in around.half_axes)
    radius = np.sqrt((plane[0] / across) ** 2 + ((plane[1] - 62 + along) / along) ** 2)
    radius = _enlarge(radius)
    tissue[radius > 0.9] = -95
    tissue[radius > 1.0] = -1000
    x, y = (np.float32(value) for value in around.airway)
    tissue[_enlarge(np.hypot(plane[0] - x, plane[1] - y)) < around.airway_radius] = -980
    return np.asarray(tissue, np.float32)


def _make_noise(rng: np.random.Generator, sharp: float) -> Field:
    """Return noise of unit variance whose power rises with the frequency up to a cut."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    cut = 0.22 + 0.28 * sharp
    power = np.sqrt(frequency) * np.exp(-((frequency / cut) ** 4))
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE), dtype=np.float32)) * power
    noise = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    return np.asarray(noise / noise.std(), np.float32)
