"""How the input check tells slices of one kind from those that a model was trained on.

    python -m benchmarks input_pairs

Pairs "trained on, asked about": phantoms of one region of the spine and of another; phantoms of
many scanners or of one, and the same patients at half the dose, with a sharper and a softer kernel;
phantoms in more noise, the generator of the tests and, where they are at hand, real slices. The
features are those of models/phantom-demo, whose first backbone is frozen, so a reference can be
fitted to any slices without training. For each pair the AUROC of the score against new slices of
the first kind, and the share of slices that are unusual or unlike.

`python -m benchmarks.input_pairs scores` compares other scores on the same features.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from spinefrac import imaging
from spinefrac.data.phantom import fractures, plan, tissue
from spinefrac.data.phantom.anatomy import Anatomy, build_bone
from spinefrac.data.phantom.plan import RandomStream
from spinefrac.data.phantom.scanner import Scanner
from spinefrac.data.phantom.series import Series
from spinefrac.evaluation.calibration import apply_temperature
from spinefrac.evaluation.deferral import outside_band_mask
from spinefrac.evaluation.ranking import roc_auc
from spinefrac.imaging.noise import NoiseMeasure, measure_noise
from spinefrac.records import CtSlice
from spinefrac.store.input_reference import FittedReference
from spinefrac.store.input_reference_fit import TrainingFeatures, fit_reference

if TYPE_CHECKING:
    from spinefrac.inference.predictor import Predictor

Change = Callable[[Scanner], Scanner]
Row = tuple[str, str, str]

#: Patients of a training phantom and of a new one, and slices of each.
TRAINING_PATIENTS, PATIENTS, SLICES = 120, 60, 3
#: So many that errors outside the abstention band, which are rare, can be counted.
HARD_PATIENTS = 100
#: Acceptable error rates: the least for which the model has an abstention band is measured.
_ERROR_RATES = (0.05, 0.08, 0.1, 0.12)
#: Slices that go through the network at once.
_BATCH = 16
#: Raster that bone is drawn on, as in a phantom of 512 pixels.
_BONE_STEP_MM = 0.16
_REAL = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Measured:
    """Slices of one kind: features (N, F), noise, inputs (N, S, S); patients, regions, labels (-1
    where there is none), probabilities and disagreements (N,), the spread of the folds' logits."""

    features: np.ndarray
    noise: tuple[NoiseMeasure, ...]
    inputs: np.ndarray
    groups: np.ndarray
    regions: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    disagreements: np.ndarray

    def select(self, region: str) -> Measured:
        """Return the slices of one region."""
        rows = np.flatnonzero(self.regions == region)
        return Measured(
            self.features[rows],
            tuple(self.noise[row] for row in rows),
            self.inputs[rows],
            self.groups[rows],
            self.regions[rows],
            self.labels[rows],
            self.probabilities[rows],
            self.disagreements[rows],
        )

    def fit(self, sizes: tuple[int, ...]) -> FittedReference:
        """Fit a reference as a model that was trained on these slices has it."""
        count = len(self.groups)
        unknown = np.zeros(count)
        labels = folds = np.zeros(count, np.int64)
        return fit_reference(
            TrainingFeatures(
                self.features, sizes, self.inputs, self.groups, labels, folds, unknown, True
            )
        )

    def score(self, reference: FittedReference) -> np.ndarray:
        """Return the score (N,) of each slice."""
        pairs = zip(self.features, self.noise, strict=True)
        return np.array([reference.measure(*pair).score for pair in pairs])


def render_scans(
    seed: int, patients: int, changes: dict[str, Change], difficulty: str = "standard"
) -> Iterator[tuple[str, CtSlice, str, str, int]]:
    """Yield (name of the change, slice, patient, region, label); all scan the same patients."""
    series = Series(patients, 12, seed, difficulty)
    for patient in range(patients):
        anatomy = _sample(Anatomy, series, patient, RandomStream.ANATOMY, 12)
        build = _sample(tissue.SoftTissue, series, patient, RandomStream.TISSUE, anatomy.region)
        hardness = plan.get_difficulty(difficulty)
        scanner = _sample(Scanner, series, patient, RandomStream.SCANNER, anatomy.region, hardness)
        for index in range(0, 12, 12 // SLICES):
            rng = plan.slice_generator(seed, patient, index, RandomStream.BONE)
            bone = build_bone(anatomy, index, rng, 1, _BONE_STEP_MM)
            if series.labels[patient, index]:
                rng = plan.slice_generator(seed, patient, index, RandomStream.FRACTURE)
                bone = fractures.add_fracture(bone, hardness, rng).bone
            around = tissue.paint_soft_tissue(anatomy, build, index, scanner.tissue_canvas)
            for name, change in changes.items():
                scan = change(scanner)
                rng = plan.slice_generator(seed, patient, index, RandomStream.NOISE)
                hu = scan.add_noise(scan.reconstruct(around, bone, 512), rng)
                label = int(series.labels[patient, index])
                person, region = f"{seed}-{patient}", str(anatomy.region)
                yield name, CtSlice(hu, True, "dicom"), person, region, label


def _sample(kind, series: Series, patient: int, stream: RandomStream, *given):
    return kind.sample(plan.patient_generator(series.seed, patient, stream), *given)


def half_dose(scanner: Scanner) -> Scanner:
    """Return a scan with the noise of half the dose."""
    return replace(scanner, noise_hu=math.sqrt(2) * scanner.noise_hu)


def set_kernel(sharpness: float, noise_hu: float | None = None) -> Change:
    """Return what gives all scans one kernel: 0 is soft, 1 sharp as in a phantom."""
    return lambda scanner: replace(
        scanner,
        psf_sigma=0.33 - 0.04 * sharpness,
        noise_sigma=0.62 - 0.34 * sharpness,
        edge_enhancement=0.6 * sharpness,
        noise_hu=noise_hu or scanner.noise_hu,
    )


def keep(scanner: Scanner) -> Scanner:
    """Return the scan as it is."""
    return scanner


def measure_slices(slices: Iterator[tuple[CtSlice, str, str, int]]) -> Measured:
    """Preprocess slices and run the network on them."""
    from spinefrac.inference.predictor import get_predictor

    predictor = get_predictor("phantom-demo")
    slices_, groups, regions, labels = zip(*slices, strict=True)
    inputs = np.stack(
        [imaging.to_input(ct, predictor.model.preprocessing).pixels for ct in slices_]
    )
    logits = _run_in_batches(predictor, inputs)
    return Measured(
        predictor.compute_features(inputs),
        tuple(map(measure_noise, inputs)),
        inputs,
        np.array(groups),
        np.array(regions),
        np.array(labels),
        apply_temperature(logits.mean(axis=1), predictor.model.temperature),
        logits.std(axis=1),
    )


def _run_in_batches(predictor: Predictor, inputs: np.ndarray) -> np.ndarray:
    """Return the fold logits (N, folds): all slices at once would take 7 GB."""
    parts = np.array_split(inputs, -(-len(inputs) // _BATCH))
    return np.concatenate([predictor.run(part)[0] for part in parts]).astype(np.float64)


def measure_scans(
    seed: int, patients: int, changes: dict[str, Change], difficulty: str = "standard"
) -> dict[str, Measured]:
    """Return the slices of each change, see `render_scans`."""
    parts: dict[str, list[tuple[CtSlice, str, str, int]]] = {name: [] for name in changes}
    for name, *rest in render_scans(seed, patients, changes, difficulty):
        parts[name].append(tuple(rest))
    return {name: measure_slices(iter(part)) for name, part in parts.items()}


@cache
def load_sets() -> dict[str, Measured]:
    """Return all sets by name; it takes ten minutes."""
    one_scanner = set_kernel(0.3, 30.0)
    found = {
        "phantoms": measure_scans(7, TRAINING_PATIENTS, {"": keep})[""],
        "phantoms of one scanner": measure_scans(8, TRAINING_PATIENTS, {"": one_scanner})[""],
        "phantoms in more noise": measure_scans(4300, HARD_PATIENTS, {"": keep}, "hard")[""],
        "second generator": measure_slices(_draw_second()),
    }
    changes = {
        "new patients": keep,
        "half the dose": half_dose,
        "sharper kernel": set_kernel(1.6),
        "softer kernel": set_kernel(-0.5),
    }
    one = {
        "new patients, one scanner": one_scanner,
        "half the dose, one scanner": set_kernel(0.3, 30.0 * math.sqrt(2)),
        "sharper kernel, one scanner": set_kernel(0.9, 30.0),
        "softer kernel, one scanner": set_kernel(-0.3, 30.0),
    }
    found |= measure_scans(4100, PATIENTS, changes) | measure_scans(4200, PATIENTS, one)
    for name, paths in list_real_files().items():
        found[name] = measure_slices((imaging.read(path), path.stem, "", -1) for path in paths)
    return found


def _draw_second() -> Iterator[tuple[CtSlice, str, str, int]]:
    from tests.support.second_generator import draw_slice

    for patient in range(30):
        for index in range(0, 12, 4):
            made = draw_slice(patient, index, seed=3, difficulty="standard")
            ct = CtSlice(made.grey.astype(np.float32), False, "png")
            yield ct, str(patient), "", made.label


def list_real_files() -> dict[str, list[Path]]:
    """Return the real slices that are at hand, by name."""
    found = {
        "real: RSNA 2022, DICOM": sorted((_REAL / "rsna-2022-dicom").rglob("*.dcm")),
        "real: body CT, DICOM": sorted((_REAL / "totalsegmentator-dicom").glob("*")),
        "real: cervical PNG": sorted((_REAL / "kaggle-csfdv1" / "originals").rglob("*.png")),
    }
    return {name: paths for name, paths in found.items() if paths}


def list_pairs() -> Iterator[tuple[str, Measured, str, Measured, Measured]]:
    """Yield (trained on, its slices, asked about, those slices, new slices like the trained)."""
    sets = load_sets()
    regions = ("cervical", "thoracic", "lumbar")
    for own in regions:
        for other in regions:
            trained, new = sets["phantoms"].select(own), sets["new patients"].select(own)
            if own != other:
                yield own, trained, other, sets["new patients"].select(other), new
    for name, asked in sets.items():
        trained_on = "phantoms of one scanner" if name.endswith("one scanner") else "phantoms"
        new_name = "new patients, one scanner" if name.endswith("one scanner") else "new patients"
        if not name.startswith("phantoms of") and name != "phantoms":
            yield trained_on, sets[trained_on], name, asked, sets[new_name]


def measure() -> list[Row]:
    """Measure, and return (what, value, target) for each pair."""
    from spinefrac.inference.predictor import get_predictor

    reference = get_predictor("phantom-demo").model.card.input_reference
    if reference is None:
        return [("pairs of the input check", "phantom-demo has no features", "features")]
    rows = []
    for name, trained, other, asked, new in list_pairs():
        fitted = trained.fit(reference.sizes)
        scores, usual = asked.score(fitted), new.score(fitted)
        unusual = 100 * (scores > fitted.summary.unusual_limit).mean()
        unlike = 100 * (scores > fitted.summary.unlike_limit).mean()
        rows.append(
            (
                f"trained on {name}, asked about {other} ({len(scores)} slices)",
                f"AUROC {_auroc(usual, scores):.2f}; {unusual:.0f} % unusual or unlike, "
                f"{unlike:.0f} % unlike",
                _state_target(other),
            )
        )
    return [*rows, *_measure_errors()]


def _measure_errors() -> Iterator[Row]:
    """Yield the error rate outside the abstention band of slices that are not marked."""
    from spinefrac.inference.predictor import get_predictor
    from spinefrac.inference.uncertainty import uncertainty_profile

    model = get_predictor("phantom-demo").model
    reference = model.load_input_reference()
    bands = ((rate, uncertainty_profile(model, rate).abstention_band) for rate in _ERROR_RATES)
    rate, band = next((found for found in bands if found[1]), (0.05, None))
    if reference is None or band is None:
        yield "errors outside the abstention band", "phantom-demo has no band", "at most 5 %"
        return
    for name, asked in load_sets().items():
        if (asked.labels < 0).any() or name.startswith("phantoms of") or name == "phantoms":
            continue
        scores = asked.score(reference)
        unmarked = scores <= reference.summary.unusual_limit
        outside = outside_band_mask(asked.probabilities, band.threshold, band.confidence_threshold)
        wrong = (asked.probabilities >= model.threshold) != (asked.labels == 1)
        counted = unmarked & outside
        share = 100 * wrong[counted].mean() if counted.any() else float("nan")
        yield (
            f"phantom-demo asked about {name}: wrong among the {counted.sum()} of "
            f"{len(scores)} slices that are not marked and outside the abstention band",
            f"{wrong[counted].sum()}, {share:.1f} % (of all slices {100 * wrong.mean():.0f} %)",
            f"at most {100 * rate:g} %",
        )


def _state_target(other: str) -> str:
    if other.startswith("new patients"):
        return "at most 5 % and 1 %"
    if other in ("cervical", "thoracic", "lumbar"):
        return "AUROC at least 0.95"
    if other.startswith("real"):
        return "at least 97 %"
    return "AUROC at least 0.85" if "dose" in other or "kernel" in other else "reported"


def _auroc(usual: np.ndarray, asked: np.ndarray) -> float:
    labels = np.repeat([0, 1], [len(usual), len(asked)])
    return roc_auc(labels, np.concatenate([usual, asked])) or float("nan")


# --- other scores ----------------------------------------------------------------------


def standardize(trained: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both in units of the training slices' spread."""
    center, spread = trained.mean(axis=0), trained.std(axis=0) + 1e-3 * np.abs(trained).mean()
    return (trained - center) / spread, (asked - center) / spread


def _project(trained: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    _, spread, directions = np.linalg.svd(trained, full_matrices=False)
    return directions[:count].T, spread[:count] / math.sqrt(len(trained))


def score_neighbours(trained: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Distance to the fifth neighbour (Sun et al., 2022) among 40 whitened components."""
    trained, asked = standardize(trained, asked)
    directions, spread = _project(trained, 40)
    known, new = trained @ directions / spread, asked @ directions / spread
    return np.sort(np.linalg.norm(new[:, None] - known[None], axis=2), axis=1)[:, 4]


def score_residual(trained: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Norm outside of 64 principal components, the virtual logit of ViM (Wang et al., 2022)."""
    trained, asked = standardize(trained, asked)
    directions, _ = _project(trained, 64)
    return np.linalg.norm(asked - asked @ directions @ directions.T, axis=1)


def score_mahalanobis(trained: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Mahalanobis distance with a shrunk covariance on all depths at once."""
    from sklearn.covariance import ledoit_wolf

    trained, asked = standardize(trained, asked)
    precision = np.linalg.inv(ledoit_wolf(np.clip(trained, -6, 6), assume_centered=True)[0])
    return np.sqrt(np.einsum("ni,ij,nj->n", asked, precision, asked))


def measure_wavelets(pixels: np.ndarray) -> np.ndarray:
    """Return the logarithm of the energy (9,) in three levels of Haar wavelets."""
    rest, found = pixels.astype(np.float32), []
    for _ in range(3):
        a, b, c, d = rest[::2, ::2], rest[1::2, ::2], rest[::2, 1::2], rest[1::2, 1::2]
        for detail in (a - b + c - d, a + b - c - d, a - b - c + d):
            found.append(np.log((detail**2).mean() + 1e-2))
        rest = (a + b + c + d) / 2
    return np.array(found)


def measure_local_patterns(pixels: np.ndarray) -> np.ndarray:
    """Return shares (10,) of the rotation-invariant uniform patterns (Ojala et al., 2002)."""
    grey = pixels.astype(np.int16)
    rows, columns = (np.arange(1, length - 1) for length in grey.shape)
    around = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
    center = grey[np.ix_(rows, columns)]
    bits = np.stack([grey[np.ix_(rows + y, columns + x)] >= center for y, x in around])
    changes = (bits != np.roll(bits, 1, axis=0)).sum(axis=0)
    codes = np.where(changes <= 2, bits.sum(axis=0), 9)
    return np.bincount(codes.ravel(), minlength=10) / codes.size


def measure_spectrum(pixels: np.ndarray) -> np.ndarray:
    """Return the logarithm of the power (12,) in rings of spatial frequency."""
    grey = pixels.astype(np.float32)
    window = np.hanning(len(grey))
    fine = (grey - cv2.GaussianBlur(grey, (0, 0), 6.0)) * np.outer(window, window)
    power = np.abs(np.fft.fftshift(np.fft.fft2(fine))) ** 2
    half = len(grey) // 2
    y, x = np.indices(power.shape) - half
    ring = np.minimum(np.hypot(y, x) / half * 12, 12).astype(int).ravel()
    total = np.bincount(ring, power.ravel(), 13)[:12]
    return np.log(total / np.bincount(ring, minlength=13)[:12] + 1)


_TEXTURES = {
    "wavelet energies": measure_wavelets,
    "local binary patterns": measure_local_patterns,
    "radial spectrum": measure_spectrum,
}


def score_texture(
    measure_one: Callable[[np.ndarray], np.ndarray], trained: Measured, asked: Measured
) -> np.ndarray:
    """Mahalanobis distance of textures."""
    both = (np.array([measure_one(one) for one in part.inputs]) for part in (trained, asked))
    return score_mahalanobis(*both)


def compare_scores() -> Iterator[Row]:
    """Yield the AUROC of each score on each pair."""
    others = {
        "Mahalanobis, all depths at once": score_mahalanobis,
        "fifth neighbour": score_neighbours,
        "residual (ViM)": score_residual,
    }
    from spinefrac.inference.predictor import get_predictor

    reference = get_predictor("phantom-demo").model.card.input_reference
    assert reference is not None
    for name, trained, other, asked, new in list_pairs():
        fitted = trained.fit(reference.sizes)
        found = {"largest of depths and noise": _auroc(new.score(fitted), asked.score(fitted))}
        for title, score in others.items():
            both = (score(trained.features, one.features) for one in (new, asked))
            found[title] = _auroc(*both)
        for title, texture in _TEXTURES.items():
            found[title] = _auroc(*(score_texture(texture, trained, one) for one in (new, asked)))
        found["disagreement of the folds"] = _auroc(new.disagreements, asked.disagreements)
        yield (
            f"trained on {name}, asked about {other}",
            ", ".join(f"{title} {value:.2f}" for title, value in found.items()),
            "reported",
        )


if __name__ == "__main__":
    for row in compare_scores() if "scores" in sys.argv[1:] else measure():
        print(" | ".join(row), flush=True)
