"""A patient's vertebrae: measures that hold over the slices, and one slice's bone.

Measures in millimetres are within the ranges of adult morphometry (Panjabi et al., Spine
1991 and 1992, thoracic and lumbar vertebrae; cervical after Tan et al., Eur Spine J 2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from spinefrac.data.phantom.canvas import (
    Canvas,
    Field,
    Mask,
    Points,
    catmull_rom,
    ellipse,
    irregular_ellipse,
    mirror,
    symmetric_outline,
    tapered_stroke,
)


class Region(StrEnum):
    CERVICAL = "cervical"
    THORACIC = "thoracic"
    LUMBAR = "lumbar"


class Level(StrEnum):
    """Levels that a slice can cut, from the top of a vertebra to the disc below it."""

    ENDPLATE = "endplate"
    PEDICLE = "pedicle"
    LAMINA = "lamina"
    DISC = "disc"


#: Ranges (least, most) of each measure in mm, by region.
_MEASURES: dict[Region, dict[str, tuple[float, float]]] = {
    Region.CERVICAL: {
        "body_width": (19, 25), "body_depth": (15, 18), "hollow": (0.2, 1.0),
        "canal_width": (22, 26), "canal_depth": (13, 16), "pedicle": (5, 6.5),
        "lamina": (4, 5.5), "spinous_length": (16, 28), "spinous_width": (4, 6),
        "transverse": (24, 29), "height": (16, 20),
    },
    Region.THORACIC: {
        "body_width": (26, 34), "body_depth": (24, 31), "hollow": (1.0, 2.5),
        "canal_width": (16, 18.5), "canal_depth": (15, 17.5), "pedicle": (5, 7.5),
        "lamina": (5.5, 7.5), "spinous_length": (22, 36), "spinous_width": (4.5, 6.5),
        "transverse": (27, 34), "height": (22, 28),
    },
    Region.LUMBAR: {
        "body_width": (40, 50), "body_depth": (30, 36), "hollow": (1.0, 3.0),
        "canal_width": (22, 27), "canal_depth": (15, 19), "pedicle": (8, 13),
        "lamina": (6, 8), "spinous_length": (22, 31), "spinous_width": (5.5, 8),
        "transverse": (36, 45), "height": (34, 40),
    },
}  # fmt: skip

_EXTENT = {  # left, top, right, bottom of the vertebra's own raster, mm
    Region.CERVICAL: (-42.0, -22.0, 42.0, 62.0),
    Region.THORACIC: (-64.0, -32.0, 64.0, 72.0),
    Region.LUMBAR: (-58.0, -32.0, 58.0, 72.0),
}


@dataclass(frozen=True)
class Anatomy:
    """Parameters of a patient, the same for all slices. Lengths in mm, densities in HU.

    `trabecular` is the cancellous bone's mean density, `trabecular_texture` the standard deviation
    of its trabeculae; `first_height` the height of the first slice within its vertebra (0 top, 1
    top of the next) and `height_step` what each further slice adds; `degeneration` (0…1) is the
    degree of degeneration; `slice_spacing` the distance of neighbouring slices.
    """

    region: Region
    body_width: float
    body_depth: float
    hollow: float
    canal_width: float
    canal_depth: float
    pedicle: float
    lamina: float
    spinous_length: float
    spinous_width: float
    spinous_tilt: float
    transverse: float
    facet_gap: float
    foramen_radii: tuple[float, float]
    cortex_thickness: float
    cortex_hu: float
    trabecular: float
    trabecular_texture: float
    degeneration: float
    first_height: float
    height_step: float
    slice_spacing: float
    shape_seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, slices: int) -> Anatomy:
        """Draw a patient."""
        region = list(Region)[rng.choice(3, p=(0.4, 0.25, 0.35))]
        build = rng.uniform(0.1, 0.9)  # large people are large throughout
        measures = {
            name: low + (high - low) * float(np.clip(build + 0.25 * rng.standard_normal(), 0, 1))
            for name, (low, high) in _MEASURES[region].items()
        }
        height = measures.pop("height")
        spacing = rng.choice((1.5, 2.0, 2.5, 3.0))
        advance = max(spacing / height, 1.0 / max(slices, 1))
        age = rng.uniform()
        return cls(
            region=region,
            **measures,
            spinous_tilt=rng.normal(0, 1.2),
            facet_gap=rng.uniform(1.0, 2.0),
            foramen_radii=(rng.uniform(2.3, 3.3), rng.uniform(2.3, 3.3)),
            cortex_thickness=rng.uniform(0.7, 1.15),
            cortex_hu=rng.uniform(850, 1350),
            trabecular=330 - 150 * age + rng.normal(0, 20),
            trabecular_texture=rng.uniform(40, 85),
            degeneration=float(np.clip(age + 0.2 * rng.standard_normal(), 0, 1)),
            first_height=rng.uniform(),
            height_step=float(advance),
            slice_spacing=float(advance * height),
            shape_seed=int(rng.integers(2**31)),
        )

    def relative_height(self, slice_index: int) -> float:
        """Return a slice's height within its vertebra, in [0, 1)."""
        return float((self.first_height + slice_index * self.height_step) % 1.0)

    @property
    def canal_centre(self) -> float:
        """y of the canal's centre."""
        return self.body_depth / 2 - self.hollow + self.canal_depth / 2

    def canvas(self, pixel_size_mm: float) -> Canvas:
        """Return the raster that the vertebra is drawn on, with pixels of `pixel_size_mm` mm."""
        return Canvas.from_extent(*_EXTENT[self.region], pixel_size_mm)


def level_at(height: float) -> Level:
    """Return what lies at a height within the vertebra."""
    if height < 0.13:
        return Level.ENDPLATE
    if height < 0.52:
        return Level.PEDICLE
    return Level.LAMINA if height < 0.84 else Level.DISC


@dataclass(frozen=True)
class FractureSite:
    """A limb of bone that a fracture can cross: its axis (n, 2) and its width, mm."""

    name: str
    path: Points
    width: float


@dataclass
class Bone:
    """One slice's bone on its own raster, ideal: no blur, no noise.

    `mask` is 0/1, `hu` the density where present, `body` the part of `mask` that is
    vertebral body (empty at a disc), `sites` the limbs there are.
    """

    canvas: Canvas
    mask: Mask
    hu: Field
    body: Mask
    sites: list[FractureSite]


class _BoneBuilder:
    """Draws one slice's vertebra, part by part, onto a 0/1 mask."""

    def __init__(self, anatomy: Anatomy, height: float, canvas: Canvas) -> None:
        self.a = anatomy
        self.height = height
        self.level = level_at(height)
        self.canvas = canvas
        # The outline's irregularities belong to the patient, not to the slice.
        self.rng = np.random.Generator(np.random.SFC64(anatomy.shape_seed))
        self.mask = canvas.empty_mask()
        self.body = canvas.empty_mask()
        self.sites: list[FractureSite] = []

    def build(self) -> None:
        draw = {
            Region.CERVICAL: self._add_cervical_parts,
            Region.THORACIC: self._add_thoracic_parts,
            Region.LUMBAR: self._add_lumbar_parts,
        }[self.a.region]
        self._add_vertebral_body()
        draw()

    # --- parts ----------------------------------------------------------------------

    def _add_pair(self, name: str, path: list[tuple[float, float]], widths: list[float]) -> None:
        """Add a limb and its mirror image, slightly unequal, as fracture sites."""
        for side, flip in (("right", False), ("left", True)):
            wobble = self.rng.normal(0, 0.35, (len(path), 2))
            scale = 1 + self.rng.normal(0, 0.04)
            line = np.asarray(path) + wobble
            line = mirror(line) if flip else line
            self.canvas.fill_polygon(self.mask, tapered_stroke(line, [w * scale for w in widths]))
            self.sites.append(FractureSite(f"{name} {side}", line, float(np.mean(widths))))

    def _add_midline(self, name: str, path: list[tuple[float, float]], widths: list[float]) -> None:
        self.canvas.fill_polygon(self.mask, tapered_stroke(path, widths))
        self.sites.append(FractureSite(name, np.asarray(path, float), float(np.mean(widths))))

    def _add_with_gap(self, part: Mask, gap_mm: float) -> None:
        """Add a part of another bone: a smooth joint gap of `gap_mm` stays around it."""
        size = 2 * round(gap_mm / self.canvas.pixel_size_mm) + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        self.mask[cv2.dilate(part, kernel) > 0] = 0
        self.mask |= part

    def _add_vertebral_body(self) -> None:
        a, w, d = self.a, self.a.body_width, self.a.body_depth
        waist = 1 - 0.07 * np.sin(np.pi * min(self.height / 0.84, 1.0))
        w, d = w * waist, d * (0.5 + 0.5 * waist)
        back = d / 2 - a.hollow
        half = {
            Region.CERVICAL: [(0, -0.48 * d), (0.27 * w, -0.47 * d), (0.45 * w, -0.3 * d),
                              (0.5 * w, 0.1 * d), (0.42 * w, 0.4 * d), (0.24 * w, 0.48 * d),
                              (0, back)],
            Region.THORACIC: [(0, -0.5 * d), (0.2 * w, -0.46 * d), (0.4 * w, -0.25 * d),
                              (0.5 * w, 0.12 * d), (0.43 * w, 0.38 * d), (0.25 * w, 0.49 * d),
                              (0, back)],
            Region.LUMBAR: [(0, -0.5 * d), (0.24 * w, -0.47 * d), (0.43 * w, -0.27 * d),
                            (0.5 * w, 0.04 * d), (0.43 * w, 0.34 * d), (0.25 * w, 0.49 * d),
                            (0, back)],
        }[a.region]  # fmt: skip
        outline = symmetric_outline(half)
        angle = np.arctan2(outline[:, 1], outline[:, 0])
        ripple = sum(
            self.rng.normal(0, 0.012) * np.cos(k * angle + self.rng.uniform(0, 6.3))
            for k in (2, 3, 5, 7)
        )
        outline = outline * (1 + np.asarray(ripple))[:, None]
        self.outline = outline
        spurs = self._osteophytes(outline)
        if self.level is Level.DISC:  # only the rims' spurs reach into the disc's plane
            for spur in spurs:
                self.canvas.fill_polygon(self.mask, spur)
            return
        self.canvas.fill_polygon(self.body, outline)
        for spur in spurs:
            self.canvas.fill_polygon(self.body, spur)
        if a.region is Region.CERVICAL and self.level is Level.ENDPLATE:
            for flip in (1, -1):  # uncinate processes
                hook = [(flip * 0.42 * w, -0.2 * d), (flip * 0.52 * w, 0.1 * d),
                        (flip * 0.46 * w, 0.36 * d)]  # fmt: skip
                self.canvas.fill_polygon(self.body, tapered_stroke(hook, [2.5, 4.0, 3.0]))
        self.mask |= self.body

    def _osteophytes(self, outline: Points) -> list[Points]:
        """Osteophytes: a patient's own places on the rim, largest near the endplates."""
        near_rim = abs(np.cos(np.pi * self.height))
        spurs = []
        for _ in range(6):
            there, at, size = self.rng.uniform(size=3)
            if there > self.a.degeneration:
                continue
            index = int((0.62 + 0.76 * at) * len(outline)) % len(outline)  # front and sides
            x, y = outline[index] * 1.01
            radius = (1.0 + 2.4 * size) * (0.35 + 0.65 * near_rim)
            radius *= 0.6 if self.level is Level.DISC else 1.0
            turn = np.arctan2(y, x) + np.pi / 2
            spurs.append(ellipse(x, y, 2.1 * radius, 0.8 * radius, turn))
        return spurs

    def _add_facet_joints(self, x: float, y: float, rx: float, ry: float, turn: float) -> None:
        """Both facet joints: the next vertebra's superior process lies in front of ours."""
        for flip in (1, -1):
            place = np.array([x, y]) + self.rng.normal(0, 0.5, 2)
            inferior = irregular_ellipse(self.rng, 0, 0, rx, ry, 0.06)
            c, s = np.cos(turn), np.sin(turn)
            rotated = inferior @ np.array([[c, s], [-s, c]])
            self.canvas.fill_polygon(self.mask, (rotated + place) * (flip, 1))
            superior = np.array(
                [(-1.05 * rx, -0.5 * ry), (0.0, -0.95 * ry), (1.05 * rx, -0.6 * ry),
                 (1.2 * rx, -1.7 * ry), (0.2 * rx, -2.3 * ry), (-0.9 * rx, -1.6 * ry)]
            )  # fmt: skip
            rotated = catmull_rom(superior, 6) @ np.array([[c, s], [-s, c]])
            part = self.canvas.polygon_mask((rotated + place) * (flip, 1))
            self._add_with_gap(part, self.a.facet_gap * self.rng.uniform(0.85, 1.15))

    def _carve_canal(self) -> None:
        a, cy = self.a, self.a.canal_centre
        w, d = a.canal_width, a.canal_depth
        if a.region is Region.THORACIC:
            outline = ellipse(0, cy, w / 2, d / 2)
        else:
            outline = symmetric_outline(
                [(0, cy - 0.5 * d), (0.34 * w, cy - 0.48 * d), (0.5 * w, cy - 0.2 * d),
                 (0.34 * w, cy + 0.22 * d), (0, cy + 0.52 * d)]
            )  # fmt: skip
        self.canvas.fill_polygon(self.mask, outline, 0)
        self.mask |= self.body

    def _add_laminae(self, thickness: float) -> None:
        """Laminae: from beside the canal to the midline behind it."""
        cy, w, d = self.a.canal_centre, self.a.canal_width, self.a.canal_depth
        half = thickness / 2
        path = [(w / 2 + half * 0.9, cy - 0.05 * d), (0.40 * w + half, cy + 0.22 * d),
                (0, cy + 0.55 * d + half)]  # fmt: skip
        self._add_pair("lamina", path, [thickness * 1.15, thickness, thickness * 1.05])

    def _add_spinous_process(
        self, start: float, length: float, widths: list[float], forked: bool
    ) -> None:
        tilt = self.a.spinous_tilt
        if not forked:
            self._add_midline("spinous", [(0, start), (tilt, start + length)], widths)
            return
        fork = start + 0.6 * length
        self._add_midline("spinous", [(0, start), (0.6 * tilt, fork)], widths)
        for flip in (1, -1):
            tip = (0.6 * tilt + flip * 0.28 * length, start + length)
            self.canvas.fill_polygon(
                self.mask, tapered_stroke([(0.6 * tilt, fork - 1), tip], [widths[-1], 4.0])
            )

    # --- regions --------------------------------------------------------------------

    def _add_cervical_parts(self) -> None:
        a, cy, w = self.a, self.a.canal_centre, self.a.canal_width
        bw, bd = a.body_width, a.body_depth
        top = self.level in (Level.ENDPLATE, Level.PEDICLE)
        pillar = (w / 2 + 3.5, cy - 0.05 * a.canal_depth)
        if top:
            self._add_pair("pedicle", [(0.4 * bw, 0.3 * bd), pillar], [a.pedicle, a.pedicle * 1.1])
            reach = a.transverse
            for flip, radius in ((1, a.foramen_radii[0]), (-1, a.foramen_radii[1])):
                x = 0.5 * bw + radius + 1.6
                ring = irregular_ellipse(self.rng, x, 0.05 * bd, radius + 2.6, radius + 2.5, 0.05)
                self.canvas.fill_polygon(self.mask, ring * (flip, 1))
            tip = [(0.5 * bw + 5, 0.22 * bd), (reach, 0.3 * bd + 2)]
            self._add_pair("transverse", tip, [6.0, 4.5])
        self._add_pair("articular", [pillar, (pillar[0] + 3, cy + 1.5)], [9.0, 8.0])
        self._add_laminae(a.lamina)
        start = cy + 0.52 * a.canal_depth + a.lamina / 2
        length = a.spinous_length * (0.55 if top else 1.0)
        widths = [a.spinous_width * 1.2, a.spinous_width, a.spinous_width * 0.9]
        self._add_spinous_process(start, length, widths, forked=not top)
        self._carve_canal()
        if top:
            for flip, radius in ((1, a.foramen_radii[0]), (-1, a.foramen_radii[1])):
                x = 0.5 * bw + radius + 1.6
                hole = ellipse(x, 0.05 * bd, radius, radius * 0.95)
                self.canvas.fill_polygon(self.mask, hole * (flip, 1), 0)
            self.mask |= self.body
        else:
            self._add_facet_joints(w / 2 + 5.5, cy + 1.8, 5.8, 3.6, 0.25)

    def _add_thoracic_parts(self) -> None:
        a, cy, w = self.a, self.a.canal_centre, self.a.canal_width
        bw, bd = a.body_width, a.body_depth
        top = self.level in (Level.ENDPLATE, Level.PEDICLE)
        corner = (w / 2 + a.pedicle / 2, cy + 0.05 * a.canal_depth)
        if top:
            self._add_pair(
                "pedicle", [(0.34 * bw, 0.36 * bd), corner], [a.pedicle * 1.2, a.pedicle]
            )
            tip = (a.transverse, cy + 0.55 * a.canal_depth + 4)
            self._add_pair("transverse", [corner, tip], [8.0, 7.0, 8.5])
        self._add_laminae(a.lamina)
        start = cy + 0.5 * a.canal_depth + a.lamina / 2
        length = a.spinous_length * (0.75 if top else 1.0)
        widths = [a.spinous_width * 1.4, a.spinous_width * 0.9, a.spinous_width]
        self._add_spinous_process(start, length, widths, forked=False)
        self._carve_canal()
        if self.level in (Level.ENDPLATE, Level.DISC):
            self._add_ribs([(0.5 * bw + 1.0, 0.38 * bd), (0.5 * bw + 9, 0.75 * bd)])
        elif top:
            self._add_ribs([(a.transverse - 3, cy - 2.5), (a.transverse + 10, cy + 2)])
        if self.level is Level.LAMINA or self.level is Level.DISC:
            self._add_facet_joints(w / 2 + 2.5, cy + 0.42 * a.canal_depth, 5.2, 3.0, 0.0)

    def _add_ribs(self, start: list[tuple[float, float]]) -> None:
        cy = self.a.canal_centre
        path = [*start, (48, cy + 7), (57, cy + 3)]  # then it leaves the slice
        for flip in (1, -1):
            line = (np.asarray(path) + self.rng.normal(0, 0.6, (len(path), 2))) * (flip, 1)
            rib = tapered_stroke(line, [8.5, 6.5, 7.0, 4.0])
            self._add_with_gap(self.canvas.polygon_mask(rib), 1.3)

    def _add_lumbar_parts(self) -> None:
        a, cy, w = self.a, self.a.canal_centre, self.a.canal_width
        bw, bd, d = a.body_width, a.body_depth, a.canal_depth
        top = self.level in (Level.ENDPLATE, Level.PEDICLE)
        corner = (w / 2 + a.pedicle * 0.5, cy - 0.05 * d)
        if self.level is Level.PEDICLE:
            self._add_pair(
                "pedicle", [(0.35 * bw, 0.26 * bd), corner], [a.pedicle * 1.1, a.pedicle]
            )
            tip = (a.transverse, cy + 1.5)
            self._add_pair("transverse", [(corner[0], cy + 1), tip], [10.0, 6.5, 5.0, 6.0])
        if top:
            pillar = [(corner[0], cy + 1), (w / 2 + 5, cy + 0.35 * d + 2)]
            self._add_pair("articular", pillar, [12.0, 10.0])
        self._add_laminae(a.lamina)
        start = cy + 0.55 * d + a.lamina * 0.3
        length = a.spinous_length * (0.5 if self.level is Level.ENDPLATE else 1.0)
        widths = [a.spinous_width * 1.3, a.spinous_width * 0.75, a.spinous_width * 1.2]
        self._add_spinous_process(start, length, widths, forked=False)
        self._carve_canal()
        if not top or self.level is Level.ENDPLATE:
            self._add_facet_joints(w / 2 + 4.5, cy + 0.48 * d, 7.0, 4.2, 0.8)


def build_bone(
    anatomy: Anatomy,
    slice_index: int,
    rng: np.random.Generator,
    distractors: int,
    pixel_size_mm: float,
) -> Bone:
    """Return one slice's bone, unbroken, on a raster of `pixel_size_mm` mm."""
    height = anatomy.relative_height(slice_index)
    builder = _BoneBuilder(anatomy, height, anatomy.canvas(pixel_size_mm))
    builder.build()
    canvas, mask = builder.canvas, builder.mask
    sites = [site for site in builder.sites if _is_bone(site, mask, canvas)]
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5) * np.float32(canvas.pixel_size_mm)
    hu = _compute_density(anatomy, builder, depth, rng)
    if builder.level is not Level.DISC:
        _add_lucencies(hu, depth, builder, rng, distractors)
    return Bone(canvas, mask, hu, builder.body & mask, sites)


def _is_bone(site: FractureSite, mask: Mask, canvas: Canvas) -> bool:
    column, row = np.round(canvas.to_pixels(site.path.mean(0)[None]))[0].astype(int)
    inside = 0 <= row < canvas.height and 0 <= column < canvas.width
    return bool(inside and mask[row, column])


def _compute_density(a: Anatomy, b: _BoneBuilder, depth: Field, rng: np.random.Generator) -> Field:
    """Cortical shell over textured cancellous bone; the body's shell is thinner."""
    canvas = b.canvas
    trabeculae = 0.8 * canvas.smooth_noise(rng, 0.75) + 0.6 * canvas.smooth_noise(rng, 1.6)
    marrow = canvas.smooth_noise(rng, 7.0)
    denser = 130 * np.exp(-depth / 2.5)  # towards the shell
    texture = a.trabecular_texture * (trabeculae + 0.35 * marrow)
    hu = np.asarray(a.trabecular + texture + denser, np.float32)
    if b.level is Level.ENDPLATE:
        hu = _add_endplate(hu, a, b, rng)
    reach = round(1.6 / canvas.pixel_size_mm)
    thin = cv2.blur(b.body.astype(np.float32), (reach, reach))
    thickness = (
        a.cortex_thickness * (1.45 - 0.75 * thin) * (1 + 0.28 * canvas.smooth_noise(rng, 4.0))
    )
    shell = np.clip((thickness - depth) / 0.5 + 0.5, 0, 1)
    cortex = a.cortex_hu + 110 * canvas.smooth_noise(rng, 2.5)
    return np.asarray(hu + (cortex - hu) * shell, np.float32)


def _add_endplate(hu: Field, a: Anatomy, b: _BoneBuilder, rng: np.random.Generator) -> Field:
    """Partial volume of a concave endplate: disc in the middle, dense bone around it."""
    depth = cv2.distanceTransform(b.body, cv2.DIST_L2, 5) * np.float32(b.canvas.pixel_size_mm)
    reach = depth / max(float(depth.max()), 1e-3) + 0.09 * b.canvas.smooth_noise(rng, 6.0)
    low = 0.1 + 0.75 * (b.height / 0.13)  # the disc's dip shrinks on the way down
    disc = np.clip((reach - low - 0.22) / 0.12, 0, 1)
    dense = np.clip((reach - low) / 0.1, 0, 1) * (1 - disc)
    inside = b.body.astype(np.float32)
    denser = hu + inside * dense * (0.45 * a.cortex_hu)
    return np.asarray(denser + inside * disc * (90 - denser), np.float32)


def _add_lucencies(
    hu: Field, depth: Field, b: _BoneBuilder, rng: np.random.Generator, distractors: int
) -> None:
    """Lucencies of the normal body, in place: smooth, and none of them breaks the shell."""
    canvas, a = b.canvas, b.a
    interior = np.asarray(np.clip((depth - 1.2) / 0.8, 0, 1) * b.body, np.float32)
    soft = rng.uniform(40, 90)
    if b.level is Level.PEDICLE and rng.uniform() < 0.75:
        add_lucency(hu, canvas, _basivertebral_vein(a, rng), b.body.astype(np.float32), soft, 0.85)
    for _ in range(distractors):
        x, y = b.outline[rng.integers(len(b.outline))] * rng.uniform(0.1, 0.8)
        if rng.uniform() < 0.3 and b.level is not Level.PEDICLE:
            _add_schmorl_node(hu, canvas, interior, x, y, rng)
            continue
        length, width = rng.uniform(4, 11), rng.uniform(0.8, 2.0)
        turn, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.45)
        direction = np.array([np.cos(turn), np.sin(turn)])
        across = direction[::-1] * (-1, 1)
        path = np.array([(x, y) + direction * length * t + across * length * bend * t * (1 - t)
                         for t in np.linspace(0, 1, 6)])  # fmt: skip
        add_lucency(hu, canvas, [tapered_stroke(path, [width, width * 0.6])], interior, soft, 0.8)


def _basivertebral_vein(a: Anatomy, rng: np.random.Generator) -> list[Points]:
    """The vein's Y: one trunk at the back of the midline, two branches, sometimes none."""
    back = a.body_depth / 2 - a.hollow
    fork = back - a.body_depth * rng.uniform(0.15, 0.35)
    trunk = [(rng.normal(0, 0.4), back + 0.5), (0, fork)]
    width = rng.uniform(1.6, 3.6) * min(a.body_width / 36, 1.2)
    shapes = [tapered_stroke(trunk, [width * 1.4, width * 0.8])]
    if rng.uniform() < 0.7:
        for flip in (1, -1):
            end = (flip * a.body_width * rng.uniform(0.1, 0.24), fork - rng.uniform(2, 6))
            shapes.append(tapered_stroke([(0, fork + 0.5), end], [width * 0.8, width * 0.3]))
    return shapes


def add_lucency(
    hu: Field, canvas: Canvas, shapes: list[Points], where: Field, soft: float, depth: float
) -> None:
    """Hollow out smooth shapes, in place; a channel has its own thin wall."""
    part, region = canvas.crop_around(shapes, 3.0)
    if part.height == 0 or part.width == 0:
        return
    hole = part.blur(part.polygon_mask(*shapes).astype(np.float32), 0.35)
    wall = np.clip(part.blur(hole, 0.7) - hole, 0, 1)
    here = hu[region]
    here += where[region] * (wall * 420 - hole * depth * np.maximum(here - soft, 0))


def _add_schmorl_node(
    hu: Field, canvas: Canvas, where: Field, x: float, y: float, rng: np.random.Generator
) -> None:
    radius = rng.uniform(1.6, 3.8)
    spot = irregular_ellipse(rng, x, y, radius, radius * rng.uniform(0.7, 1.2))
    add_lucency(hu, canvas, [spot], where, 90, 0.9)
