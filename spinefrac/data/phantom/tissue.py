"""The tissue around the vertebra: skin, fat, muscle with its fat planes, vessels, air, supports.

Painted from the outside in, in HU, on a raster of the whole field of view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinefrac.data.phantom.anatomy import Anatomy, Level, Region, level_at
from spinefrac.data.phantom.canvas import (
    Canvas,
    Field,
    Points,
    catmull_rom,
    ellipse,
    irregular_ellipse,
    tapered_stroke,
)

AIR, LUNG, FAT, SKIN, MUSCLE, CORD, FLUID, DISC = -1000, -840, -95, 25, 58, 38, 14, 88


@dataclass(frozen=True)
class SoftTissue:
    """The patient's soft tissue; holds over the slices. Lengths in mm, densities in HU.

    `contrast_hu` is the density of the large vessels, with or without contrast medium.
    """

    half_width: float
    half_depth: float
    fat_thickness: float
    fat_infiltration: float
    contrast_hu: float
    has_collar: bool
    table_gap: float | None
    shape_seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, region: Region) -> SoftTissue:
        """Draw a patient's soft tissue."""
        neck = region is Region.CERVICAL
        enhanced = rng.uniform() < 0.35
        return cls(
            half_width=rng.uniform(58, 76) if neck else rng.uniform(145, 190),
            half_depth=rng.uniform(56, 70) if neck else rng.uniform(100, 135),
            fat_thickness=rng.uniform(3, 14) if neck else rng.uniform(8, 30),
            fat_infiltration=rng.uniform(0.2, 1.0),
            contrast_hu=rng.uniform(130, 260) if enhanced else rng.uniform(38, 52),
            has_collar=bool(neck and rng.uniform() < 0.4),
            table_gap=rng.uniform(4, 22) if rng.uniform() < 0.5 else None,
            shape_seed=int(rng.integers(2**31)),
        )


def paint_soft_tissue(
    anatomy: Anatomy, soft_tissue: SoftTissue, slice_index: int, canvas: Canvas
) -> Field:
    """Return everything but the vertebra, in HU, shape of the canvas."""
    # One seed a patient: the same organs on every slice, drifting slowly with its number.
    rng = np.random.Generator(np.random.SFC64(soft_tissue.shape_seed))
    image = np.full((canvas.height, canvas.width), AIR, np.float32)
    painter = _Painter(anatomy, soft_tissue, slice_index, canvas, image, rng)
    painter.paint_supports()
    painter.paint_skin_and_fat()
    {
        Region.CERVICAL: painter.paint_neck,
        Region.THORACIC: painter.paint_chest,
        Region.LUMBAR: painter.paint_abdomen,
    }[anatomy.region]()
    painter.paint_beside_bone()
    return image


class _Painter:
    def __init__(
        self,
        anatomy: Anatomy,
        soft_tissue: SoftTissue,
        slice_index: int,
        canvas: Canvas,
        image: Field,
        rng: np.random.Generator,
    ) -> None:
        self.a, self.b, self.canvas, self.image, self.rng = anatomy, soft_tissue, canvas, image, rng
        self.drift = 0.25 * slice_index
        neck = anatomy.region is Region.CERVICAL
        # The body's centre: the spine lies in the middle of the neck, at the back of a trunk.
        self.centre = 8.0 if neck else -soft_tissue.half_depth + 62 + soft_tissue.fat_thickness
        self.level = level_at(anatomy.relative_height(slice_index))

    def fill(self, polygon: Points, hu: float) -> None:
        self.canvas.fill_polygon(self.image, polygon, hu)

    def fill_pair(self, polygon: Points, hu: float) -> None:
        """Fill a shape on the right and, wobbling a little, on the left."""
        self.fill(polygon, hu)
        left = polygon * (-1.0, 1.0)
        middle = left.mean(0)
        self.fill((left - middle) * self.rng.uniform(0.93, 1.07, 2) + middle, hu)

    def skin_outline(self, inset: float) -> Points:
        """The skin's outline, `inset` mm inside."""
        k = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        power = 2.0 if self.a.region is Region.CERVICAL else 2.4
        c, s = np.cos(k), np.sin(k)
        r = (np.abs(c) ** power + np.abs(s) ** power) ** (-1 / power)
        x = (self.b.half_width - inset) * r * c
        y = (self.b.half_depth - inset) * r * s
        if self.a.region is not Region.CERVICAL:  # the groove over the spinous processes
            y = y - 5.0 * np.exp(-((x / 14) ** 2)) * (s > 0)
        return np.stack([x, y + self.centre], 1)

    def paint_skin_and_fat(self) -> None:
        self.fill(self.skin_outline(0), SKIN)
        self.fill(self.skin_outline(1.8), FAT)
        for _ in range(14):  # septa of the subcutaneous fat
            at = self.rng.uniform(0, 2 * np.pi)
            ring = self.skin_outline(self.rng.uniform(2.5, max(self.b.fat_thickness, 3.0)))
            start = int(at / (2 * np.pi) * len(ring))
            arc = np.roll(ring, -start, 0)[: self.rng.integers(4, 12)]
            self.fill(tapered_stroke(arc, [0.4, 0.8, 0.4]), -30)
        self.fill(self.skin_outline(1.8 + self.b.fat_thickness), MUSCLE)

    def paint_supports(self) -> None:
        back = self.centre + self.b.half_depth
        if self.b.has_collar:
            x, y = self.skin_outline(-4.0).T
            front = self.rng.uniform(-0.2, 0.5)
            for gap, hu, thick in ((0.0, -880.0, 9.0), (5.0, 60.0, 2.2)):
                ring = self.skin_outline(-5.0 - gap)
                keep = ring[:, 1] > self.centre + front * self.b.half_depth
                arc = np.roll(ring, -int(np.argmin(keep)), 0)[np.roll(keep, -int(np.argmin(keep)))]
                self.fill(tapered_stroke(arc, [thick, thick], 48), hu)
            del x, y
        if self.b.table_gap is not None:
            top = back + self.b.table_gap
            for depth, hu, thick in ((0.0, -150.0, 2.0), (14.0, -250.0, 1.6)):
                k = np.linspace(-1, 1, 24)
                curve = np.stack([k * 190, top + depth - 30 * k**2], 1)
                self.fill(tapered_stroke(curve, [thick, thick], 40), hu)
            for _ in range(3):  # folds of the sheet
                k = np.linspace(-1, 1, 12)
                y = back + 2 + np.cumsum(self.rng.normal(0, 0.7, 12))
                x = self.rng.normal(0, 30) + 32 * k
                self.fill(tapered_stroke(np.stack([x, y], 1), [0.6, 0.6]), -520)

    # --- muscles --------------------------------------------------------------------

    def paint_muscle(self, outline: Points, paired: bool = True) -> None:
        """A muscle in its envelope of fat, streaked by more fat the more it is marbled."""
        middle = outline.mean(0)
        grown = (outline - middle) * 1.06 + middle
        (self.fill_pair if paired else self.fill)(grown, FAT + 35)
        (self.fill_pair if paired else self.fill)(outline, MUSCLE + self.rng.normal(0, 4))
        spread = outline.std(0)
        for _ in range(int(9 * self.b.fat_infiltration)):
            x, y = middle + spread * self.rng.uniform(-1, 1, 2)
            turn = self.rng.normal(0.6, 0.4)
            length = self.rng.uniform(0.3, 0.9) * spread.min()
            run = np.array([np.cos(turn), np.sin(turn)]) * length
            streak = tapered_stroke(
                [(x - run[0], y - run[1]), (x + run[0], y + run[1])], [0.4, 1.1, 0.4]
            )
            self.fill_pair(streak, -45)

    def paint_back_muscles(self, width: float, depth: float) -> None:
        """Multifidus and erector spinae on both sides of the spinous process."""
        cy = self.a.canal_centre + self.a.canal_depth * 0.5
        half = [(3.5, cy + 4), (0.28 * width, cy - 2), (0.7 * width, cy - 4),
                (width, cy + 0.28 * depth), (0.85 * width, cy + 0.8 * depth),
                (0.4 * width, cy + depth), (5, cy + 0.92 * depth)]  # fmt: skip
        self.paint_muscle(catmull_rom(half, 6))
        seam = [(0.36 * width, cy + 3), (0.42 * width, cy + 0.5 * depth),
                (0.3 * width, cy + 0.92 * depth)]  # fmt: skip
        self.fill_pair(tapered_stroke(seam, [0.8, 1.8, 1.0]), -40)
        self.fill(tapered_stroke([(0, cy + 8), (0, cy + depth)], [1.2, 2.4]), -30)

    # --- regions --------------------------------------------------------------------

    def paint_neck(self) -> None:
        r, d = self.rng, self.a.body_depth / 2
        cy = self.a.canal_centre + self.a.canal_depth / 2
        inner = self.b.half_width - self.b.fat_thickness - 3
        self.fill(ellipse(0, -d - 6, inner * 0.62, 20), FAT + 45)  # visceral space
        self.paint_muscle(irregular_ellipse(r, 8, -d - 3.4, 7.5, 3.0))  # longus colli
        self.paint_muscle(
            irregular_ellipse(r, 0.66 * inner, -d + 2, 9, 14, 0.06)
        )  # sternocleidomastoid
        self.paint_muscle(irregular_ellipse(r, 0.5 * inner, 8, 8, 9))  # scalenes
        self.paint_muscle(catmull_rom([(3, cy + 4), (14, cy + 0), (26, cy + 2), (30, cy + 10),
                            (20, cy + 18), (5, cy + 21)], 6))  # semispinalis  # fmt: skip
        self.paint_muscle(catmull_rom([(6, cy + 25), (24, cy + 20), (0.78 * inner, cy - 2),
                            (0.84 * inner, cy + 3), (28, cy + 26), (8, cy + 32)], 6))  # fmt: skip
        for x, y, radius in ((0.42, -d - 8, 3.4), (0.56, -d - 6, 4.8), (0.5, -d - 1, 1.6)):
            hu = self.b.contrast_hu + r.normal(0, 6)
            self.fill_pair(ellipse(x * inner, y + 0.3 * self.drift, radius, radius * 0.9), hu)
        airway = -d - 19 - r.uniform(0, 5)
        wide, deep = r.uniform(7, 11), r.uniform(6, 10)
        self.fill_pair(irregular_ellipse(r, 15, airway - 1, 8, 12), 85 + r.normal(0, 15))  # thyroid
        self.fill(ellipse(0, airway, wide + 2.6, deep + 2.6), MUSCLE + 12)
        if r.uniform() < 0.5:  # calcified cartilage around the airway
            for side in (-1, 1):
                arc = ellipse(0, airway, wide + 3.5, deep + 4.5)[26:40] * (side, 1)
                self.fill(tapered_stroke(arc, [1.4, 2.2, 1.4]), 380)
        self.fill(ellipse(0, airway, wide, deep), AIR)
        self.fill(ellipse(r.normal(3, 1), -d - 6.5, 6, 2.8), MUSCLE - 8)  # oesophagus

    def paint_chest(self) -> None:
        r, w, d = self.rng, self.a.body_width / 2, self.a.body_depth / 2
        cy = self.a.canal_centre
        lung = catmull_rom([(w + 4, -6), (w + 7, 12), (48, cy + 1), (78, cy - 4), (118, -28),
                       (110, -110), (36, -110), (w + 2, -46)], 6)  # fmt: skip
        self.fill_pair(lung, LUNG)
        for _ in range(60):  # vessels of the lung
            x, y = r.uniform(w + 8, 105), r.uniform(-95, 8)
            radius = r.uniform(0.4, 1.7)
            self.fill(ellipse(x * r.choice((-1, 1)), y, radius, radius, n=12), -100)
        self.fill(
            catmull_rom([(-w - 3, -4), (-w, -50), (0, -110), (w, -50), (w + 3, -4)], 6), MUSCLE
        )
        self.fill(ellipse(0, -d - 4, w + 4, 9), FAT + 20)
        self.fill(ellipse(w + 1, -d - 8, 12.5, 12), self.b.contrast_hu)  # aorta
        self.fill(ellipse(-4, -d - 16, 8, 5.5), MUSCLE - 10)  # oesophagus
        self.fill(ellipse(-3, -d - 15, 2.2, 1.4), -600)
        self.fill(ellipse(-8, -d - 5, 2.5, 2.3), self.b.contrast_hu - 10)  # azygos
        self.paint_back_muscles(0.42 * self.b.half_width * 0.8, 25)
        for x, y in ((78, cy + 4), (98, cy - 12)):  # ribs farther out
            x, y = x + r.normal(0, 3), y + self.drift
            for side in (-1, 1):
                self.fill(ellipse(side * x, y, 8.5, 4.2, side * -0.5), 900)
                self.fill(ellipse(side * x, y, 7.3, 3.0, side * -0.5), 190)

    def paint_abdomen(self) -> None:
        r, w, d = self.rng, self.a.body_width / 2, self.a.body_depth / 2
        self.fill(ellipse(0, -70, 110, 72), FAT)
        for _ in range(9):  # bowel
            x, y = r.uniform(-75, 75), r.uniform(-100, -48)
            radius = r.uniform(9, 17)
            self.fill(irregular_ellipse(r, x, y, radius, radius * 0.8), 40)
            if r.uniform() < 0.4:
                self.fill(
                    irregular_ellipse(r, x, y - 0.3 * radius, radius * 0.6, radius * 0.4), AIR + 60
                )
        self.fill_pair(
            irregular_ellipse(r, 62, -22, 24, 31, 0.05), self.b.contrast_hu * 0.6 + 15
        )  # kidneys
        self.fill_pair(irregular_ellipse(r, 53, -24, 10, 14, 0.1), FAT)
        self.paint_muscle(irregular_ellipse(r, w + 15, 4, 15 + r.normal(0, 2), 19, 0.06))  # psoas
        self.paint_muscle(irregular_ellipse(r, w + 40, 22, 15, 11, 0.08))  # quadratus lumborum
        self.fill(ellipse(0, -d - 5, w + 6, 8), FAT + 15)
        self.fill(ellipse(8, -d - 11, 9.5, 9), self.b.contrast_hu)  # aorta
        self.fill(
            irregular_ellipse(r, -14, -d - 9, 11.5, 8.5), self.b.contrast_hu * 0.8 + 8
        )  # vena cava
        if r.uniform() < 0.5:  # plaque
            plaque = ellipse(8, -d - 11, 9.2, 8.7)
            start = int(r.integers(len(plaque) - 10))
            self.fill(tapered_stroke(plaque[start : start + 8], [0.8, 1.6, 0.8]), 620)
        self.paint_back_muscles(62, 34)

    # --- around and inside the vertebra -------------------------------------------------

    def paint_beside_bone(self) -> None:
        a = self.a
        w, d, cy = a.body_width / 2, a.body_depth / 2, a.canal_centre
        self.fill(ellipse(0, cy, a.canal_width / 2 + 9, a.canal_depth / 2 + 5), MUSCLE - 12)
        if self.level is Level.DISC:
            self.fill(ellipse(0, 0, w * 0.99, d * 0.97), DISC + 22)
            self.fill(ellipse(0, 0.1 * d, w * 0.7, d * 0.62), DISC)
        elif a.region is not Region.CERVICAL or self.level is Level.LAMINA:
            self.fill(ellipse(0, 0, w + 0.6, d + 0.6), MUSCLE)
        for side in (-1, 1):  # the root in the fat of its foramen
            x = side * (a.canal_width / 2 + 4)
            self.fill(ellipse(x, cy - 0.18 * a.canal_depth, 6, 4.2), FAT + 30)
            self.fill(ellipse(x, cy - 0.15 * a.canal_depth, 2.4, 2.0), CORD)
        self.fill(ellipse(0, cy, a.canal_width / 2 + 1, a.canal_depth / 2 + 1), FAT + 40)
        self.fill(ellipse(0, cy - 0.4, a.canal_width * 0.41, a.canal_depth * 0.43), FLUID)
        if a.region is not Region.LUMBAR:
            self.fill(ellipse(0, cy, 6.4, 4.1 if a.region is Region.CERVICAL else 4.4), CORD)
        else:
            for x in np.linspace(-0.25, 0.25, 7):  # the cauda equina's roots
                y = cy + 2.4 + self.rng.normal(0, 0.7)
                self.fill(ellipse(x * a.canal_width, y, 1.0, 1.1, n=12), CORD)
        if a.region is Region.CERVICAL:  # vertebral arteries
            for side, radius in zip((1, -1), a.foramen_radii, strict=True):
                x = side * (w + radius + 1.6)
                self.fill(ellipse(x, 0.1 * d, radius + 0.8, radius + 0.8), FAT + 50)
                hu = self.b.contrast_hu
                self.fill(ellipse(x, 0.1 * d, radius * 0.75, radius * 0.75), hu)
