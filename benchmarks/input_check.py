"""How often the input check rejects images that are no CT slice of a spine, and how often slices.

    python -m benchmarks input_check

The model is phantom-demo. The images are phantoms of a new seed and images of other kinds,
made here or found in installed packages, without a network: photographs (whole, cropped, rotated,
grey), pages, charts, drawings, X-ray projections of phantoms, ultrasound-like sectors, DICOM of
other modalities, textures, icons. The images on which the rules of the check were chosen
(``SPLIT = 0``) and those of the report (``SPLIT = 1``) differ in seed, source image and crop.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac import imaging
from spinefrac.errors import SpinefracError
from spinefrac.records import CtSlice

Rng = np.random.Generator
Image = npt.NDArray[np.uint8]

#: 0 for choosing the rules, 1 for the report.
SPLIT = 1

#: Images of each kind that is made.
IMAGES_PER_KIND = 60

#: Phantoms: patients and slices of each.
PATIENTS, SLICES = 40, 6

_WORDS = (
    "the patient was seen today with pain after a fall from height",
    "findings: no acute fracture",
    "impression: degenerative change of the spine",
    "comparison none, technique axial images 2.5 mm",
)


def make_generators(split: int) -> dict[str, Callable[[Rng], Iterator[CtSlice]]]:
    """Return what yields the images of each kind, by name."""
    made = {
        "photograph, grey": lambda rng: to_grey(make_photograph(rng, split)),
        "document": make_document,
        "chart": make_chart,
        "X-ray": lambda rng: make_x_ray(rng, split),
        "ultrasound-like": make_ultrasound,
        "texture or drawing": make_texture,
    }

    def many(make: Callable[[Rng], Image]) -> Callable[[Rng], Iterator[CtSlice]]:
        return lambda rng: (to_slice(make(rng)) for _ in range(IMAGES_PER_KIND))

    found = {name: many(make) for name, make in made.items()}
    found["photograph, colour"] = lambda rng: (
        to_slice(make_photograph(rng, split), colour=True) for _ in range(IMAGES_PER_KIND)
    )
    found["DICOM of another modality"] = lambda rng: load_other_modalities(split)
    return found


def generate_other_windows(rng: Rng) -> Iterator[CtSlice]:
    """Yield phantoms as images in another window than the model's, or inverted."""
    for center, width in ((-600, 1500), (40, 400), (40, 80), (60, 150), (1500, 500)):
        for ct in generate_phantoms(int(rng.integers(1 << 30)), 4, 3):
            yield to_slice(imaging.apply_window(ct.pixels, center, width))
    for ct in generate_phantoms(int(rng.integers(1 << 30)), 4, 3):
        yield to_slice(255 - imaging.apply_window(ct.pixels, 500, 2000))


def generate_phantoms(seed: int, patients: int, slices: int) -> Iterator[CtSlice]:
    """Yield phantom slices in Hounsfield units."""
    return (ct for _, _, ct in generate_labelled_phantoms(seed, patients, slices))


def generate_labelled_phantoms(
    seed: int, patients: int, slices: int
) -> Iterator[tuple[int, int, CtSlice]]:
    """Yield label, patient and slice."""
    from spinefrac.data import phantom

    for patient in range(patients):
        for position in range(slices):
            made = phantom.render(patient, position, patients=patients, slices=slices, seed=seed)
            yield made.label, patient, CtSlice(made.hu, calibrated=True, format="dicom")


def to_slice(image: Image, colour: bool = False) -> CtSlice:
    """Return an image as it is read from a PNG file."""
    bgr = image if image.ndim == 2 or colour else to_grey(image)
    _, content = cv2.imencode(".png", bgr)
    return imaging.read(content.tobytes())


def to_grey(image: Image) -> Image:
    """Return a colour image (H, W, 3) as grey (H, W)."""
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


@cache
def _load_photographs(split: int) -> tuple[Image, ...]:
    """Return the photographs that come with installed packages, one half a part."""
    from sklearn.datasets import load_sample_images

    china, flower = (image[..., ::-1].copy() for image in load_sample_images().images)
    return ((china,), (flower,))[split]


def make_photograph(rng: Rng, split: int) -> Image:
    """Cut, turn, flip and expose a photograph anew; uint8 (H, W, 3)."""
    sources = _load_photographs(split)
    source = sources[rng.integers(len(sources))]
    height, width = source.shape[:2]
    side = int(rng.uniform(0.3, 1.0) * min(height, width))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    cut = np.rot90(source[top : top + side, left : left + side], rng.integers(4))
    if rng.random() < 0.3:  # a vignette: dark around, as the air around a body
        y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
        cut = cut * np.clip(1.6 - 1.6 * np.hypot(y, x) ** 2, 0, 1)[..., None]
    exposed = 255 * (cut / 255.0) ** rng.uniform(0.5, 2.0) * rng.uniform(0.6, 1.1)
    return np.clip(exposed, 0, 255).astype(np.uint8)


def make_document(rng: Rng) -> Image:
    """Print a page: text in several sizes, perhaps a table, photographed or on dark ground."""
    height, width = int(rng.integers(400, 1100)), int(rng.integers(300, 900))
    page = np.full((height, width), int(rng.integers(225, 256)), np.uint8)
    y = int(rng.integers(20, 60))
    while y < height - 20:
        size = float(rng.uniform(0.35, 0.9))
        line = " ".join(rng.choice(_WORDS, rng.integers(1, 4)))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX_SMALL]))
        cv2.putText(page, line, (int(rng.integers(10, 60)), y), font, size, 20, 1, cv2.LINE_AA)
        if rng.random() < 0.15:
            cv2.rectangle(page, (15, y - 25), (width - 15, y + 10), 60, 1)
        y += int(28 * size + rng.integers(6, 30))
    if rng.random() < 0.3:
        page = 255 - page
    if rng.random() < 0.4:  # a photograph of the page: uneven light, a little blur
        light = np.linspace(rng.uniform(0.4, 0.8), 1.0, width)[None] * np.ones((height, 1))
        page = np.clip(cv2.GaussianBlur(page, (0, 0), 1.2) * light, 0, 255).astype(np.uint8)
    return page


def make_chart(rng: Rng) -> Image:
    """Draw axes with lines, bars, points or a pie, on light or dark ground."""
    height, width = int(rng.integers(300, 800)), int(rng.integers(400, 1000))
    ink = 255 - (paper := int(rng.choice([255, 245, 20])))
    page = np.full((height, width), paper, np.uint8)
    kind = rng.integers(4)
    left, bottom = 50, height - 40
    for step in range(6):
        y = bottom - step * (bottom - 30) // 6
        cv2.line(page, (left, y), (width - 20, y), abs(paper - 40), 1)
        cv2.putText(page, f"{step * 20}", (8, y), cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink, 1)
    if kind == 0:
        for _ in range(rng.integers(1, 6)):
            y = bottom - np.abs(np.cumsum(rng.normal(0, 12, 60))) - 20
            points = np.stack([np.linspace(left, width - 20, 60), np.maximum(y, 20)], 1)
            cv2.polylines(page, [points.astype(np.int32)], False, int(rng.integers(0, 200)), 2)
    elif kind == 1:
        for x in np.linspace(left + 10, width - 60, rng.integers(3, 15)).astype(int).tolist():
            top = int(rng.integers(30, bottom))
            cv2.rectangle(page, (x, top), (x + 22, bottom), int(rng.integers(40, 200)), -1)
    elif kind == 2:
        for x, y in rng.normal((width / 2, height / 2), (110, 70), (300, 2)):
            cv2.circle(page, (int(x), int(y)), 3, int(rng.integers(40, 200)), -1)
    else:
        edges = np.cumsum(rng.dirichlet(np.ones(5))) * 360
        middle, radius = (width // 2, height // 2), min(height, width) // 3
        for start, end in zip([0, *edges[:-1]], edges, strict=True):
            shade = int(rng.integers(40, 220))
            cv2.ellipse(page, middle, (radius, radius), 0, start, end, shade, -1)
    cv2.line(page, (left, 20), (left, bottom), ink, 1)
    cv2.line(page, (left, bottom), (width - 20, bottom), ink, 1)
    return page


@cache
def _project_phantoms(split: int) -> tuple[npt.NDArray[np.float64], ...]:
    """Return attenuation summed through phantoms, front to back and side to side, (Z, X)."""
    found = []
    for seed in range(3):
        volume = [ct.pixels for ct in generate_phantoms(7000 + 10 * split + seed, 1, 16)]
        absorbed = np.clip(np.stack(volume) + 1000, 0, None) / 1000  # (Z, Y, X), water is 1
        found += [absorbed.sum(axis=1), absorbed.sum(axis=2)]
    return tuple(found)


def make_x_ray(rng: Rng, split: int) -> Image:
    """Draw a radiograph: a phantom's projection, or a chest, with noise, marks and borders."""
    if rng.random() < 0.7:
        sums = _project_phantoms(split)
        absorbed = sums[rng.integers(len(sums))]
        absorbed = absorbed[np.sort(rng.choice(len(absorbed), 10, replace=False))]
        absorbed = cv2.resize(absorbed, (420, int(rng.integers(350, 700))))
        image = absorbed / absorbed.max()
    else:
        y, x = np.mgrid[:480, :400]
        image = 0.5 + 0.35 * np.exp(-(((x - 200) / rng.uniform(25, 45)) ** 2))
        for centre in (110, 290):
            reach = ((x - centre) / rng.uniform(60, 80)) ** 2 + ((y - 210) / 150) ** 2
            image -= 0.35 * np.exp(-(reach**2))
        for rib in range(9):  # each a bow
            where = np.abs(y - 60 - 38 * rib - 25 * np.sin(x / 400 * np.pi))
            image += 0.08 * np.exp(-((where / 5.0) ** 2))
    image = image ** rng.uniform(0.6, 1.6) + rng.normal(0, rng.uniform(0.005, 0.03), image.shape)
    grey = np.clip(255 * image * rng.uniform(0.7, 1.0), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        cv2.putText(grey, rng.choice(["L", "R"]), (20, 50), cv2.FONT_HERSHEY_DUPLEX, 1.2, 250, 2)
    if rng.random() < 0.3:
        grey = cv2.copyMakeBorder(grey, 30, 30, 60, 60, cv2.BORDER_CONSTANT, value=0)
    return 255 - grey if rng.random() < 0.3 else grey


def make_ultrasound(rng: Rng) -> Image:
    """Draw a sector of speckle on black."""
    side = 420
    y, x = np.mgrid[:side, :side]
    radius, angle = np.hypot(y + 20, x - side / 2), np.arctan2(x - side / 2, y + 20)
    inside = (np.abs(angle) < rng.uniform(0.5, 0.8)) & (radius > 50) & (radius < side)
    speckle = rng.rayleigh(40, (side, side))
    speckle = cv2.GaussianBlur(speckle, (0, 0), rng.uniform(0.8, 2.0))
    bands = 1 + 0.8 * np.sin(radius / rng.uniform(15, 45))
    return np.clip(inside * speckle * bands, 0, 255).astype(np.uint8)


def make_texture(rng: Rng) -> Image:
    """Draw what nobody photographed: noise, clouds, gradients, boards, shapes, flat grey."""
    side = int(rng.integers(64, 600))
    y, x = np.mgrid[:side, :side] / side
    kind = rng.integers(7)
    if kind == 0:
        image = rng.uniform(0, 255, (side, side))
    elif kind == 1:
        square = np.fft.fftfreq(side)[:, None] ** 2 + np.fft.fftfreq(side) ** 2
        square[0, 0] = 1
        spectrum = np.fft.fft2(rng.normal(size=(side, side))) * square ** -rng.uniform(0.4, 1.2)
        field = np.fft.ifft2(spectrum).real
        image = 255 * (field - field.min()) / np.ptp(field)
    elif kind == 2:
        image = 255 * (rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y + 0.5)
    elif kind == 3:
        image = 255 * ((x * rng.integers(4, 30)).astype(int) + (y * 12).astype(int)) % 510
    elif kind == 4:
        image = np.full((side, side), float(rng.integers(256)))
    elif kind == 5:  # a shape on black, as an icon
        distance = np.maximum(abs(x - 0.5), abs(y - 0.5)) if rng.random() < 0.5 else np.hypot(
            x - 0.5, y - 0.5
        )  # fmt: skip
        image = (distance < rng.uniform(0.2, 0.45)) * rng.uniform(60, 255)
    else:
        image = np.zeros((side, side))
        for _ in range(rng.integers(3, 30)):
            centre = tuple(rng.integers(0, side, 2).tolist())
            cv2.circle(
                image, centre, int(side * rng.uniform(0.02, 0.2)), float(rng.integers(256)), -1
            )
    return np.clip(image, 0, 255).astype(np.uint8)


def load_other_modalities(split: int) -> Iterator[CtSlice]:
    """Yield pydicom's own test files that are neither CT nor refused, every second a part."""
    import pydicom

    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    for number, path in enumerate(sorted(folder.glob("*.dcm"))):
        if number % 2 != split:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
                if header.get("Modality") != "CT":
                    yield imaging.read(path)
            except (SpinefracError, AttributeError):
                continue


def measure() -> list[tuple[str, str, str]]:
    """Measure, and return (what, value, target) for each."""
    found = measure_rejections(SPLIT)
    rejected = [flags for name, flags in found.items() if name not in ("phantom", "other window")]
    total, count = sum(map(len, rejected)), sum(map(sum, rejected))
    mine = found["phantom"]
    lines = [
        (
            f"input check: {len(mine)} slices of new phantoms out of distribution",
            f"{_format_share(sum(mine), len(mine))}",
            "at most 5 %",
        ),
        (
            f"input check: {total} photographs, documents, charts, X-rays and other non-CT out of "
            "distribution",
            f"{_format_share(count, total)}",
            "at least 99 %",
        ),
    ]
    for name, flags in found.items():
        if name != "phantom":
            lines.append(
                (f"  {name}, {len(flags)}", _format_share(sum(flags), len(flags)), "reported")
            )
    return lines


def measure_rejections(split: int) -> dict[str, list[bool]]:
    """Return, by kind, whether each image is out of distribution."""
    from spinefrac.inference.predictor import get_predictor

    predictor = get_predictor("phantom-demo")

    def reject(slices: Iterator[CtSlice]) -> list[bool]:
        return [not prediction.input_check.typical for prediction in predictor.predict_many(slices)]

    found = {"phantom": reject(generate_phantoms(4100 + split, PATIENTS, SLICES))}
    for number, (name, make) in enumerate(make_generators(split).items()):
        found[name] = reject(make(np.random.default_rng([split, number])))
    found["other window"] = reject(generate_other_windows(np.random.default_rng([split, 99])))
    return found


def _format_share(count: int, total: int) -> str:
    """Return a share with its 95 % interval (Clopper and Pearson, 1934)."""
    from scipy.stats import binomtest

    interval = binomtest(count, total).proportion_ci()
    return f"{100 * count / total:.1f} % ({100 * interval.low:.1f}-{100 * interval.high:.1f})"
