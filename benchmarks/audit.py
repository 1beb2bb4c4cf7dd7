"""What the audit finds, how long it takes, and how much memory it needs.

    python -m benchmarks audit

Time and memory are measured on synthetic images, a smooth random field for each slice, ten slices
a patient. The 100,000 images that are compared with 4,000 are small, so that the audit
is measured and not the decoder. The public data set is read from ../shared/data.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spinefrac.data import phantom

PUBLIC = Path(__file__).resolve().parents[1] / "../shared/data/kaggle-csfdv1"
#: Runs an audit in a process of its own and prints its seconds, peak memory and result.
_CHILD = """
import json, resource, sys, time
from spinefrac.audit import audit_folder
start = time.perf_counter()
result = audit_folder(sys.argv[1])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = time.perf_counter()
audit_folder(sys.argv[1])
print(json.dumps([seconds, time.perf_counter() - start, peak, result.to_dict()]))
"""

Row = tuple[Any, ...]


def measure() -> list[Row]:
    """Measure; return (what, value, target[, good]) of each figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [
            *_measure_public_dataset(folder),
            *_measure_phantoms(folder),
            *_measure_shortcuts(folder),
            *_measure_speed(folder),
        ]


def measure_audit(folder: Path, home: Path) -> tuple[float, float, float, dict[str, Any]]:
    """Audit a folder; return seconds, seconds the second time, MB of memory, and the result."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(folder)],
        env={**os.environ, "SPINEFRAC_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    seconds, again, peak, result = json.loads(done.stdout)
    return seconds, again, peak, result


# --- the public set ------------------------------------------------------------------------


def _measure_public_dataset(folder: Path) -> list[Row]:
    """Measure the findings on the public data set, where it exists."""
    if not PUBLIC.is_dir():
        return [("audit: public set", "skipped: ../shared/data is absent", "")]
    *_, originals = measure_audit(PUBLIC / "originals", folder / "home")
    codes = {finding["code"] for finding in originals["findings"]}
    *_, named = measure_audit(PUBLIC / "with-augmented-copies", folder / "home")
    bound, furthest = _measure_copy_matching(folder / "scrambled")
    return [
        (
            "audit: public set, verdict",
            f"{originals['verdict']}, leakage gap {originals['leak_gap']:.2f}",
            "unusable, with the leakage gap",
            originals["verdict"] == "unusable" and "leak_gap" in codes,
        ),
        (
            "audit: augmented copies found by name",
            f"{100 * named['augmented_copies'] / 96:.0f} %",
            "100 %",
        ),
        ("audit: augmented copies found by pixels", f"{100 * bound:.0f} %", "at least 95 %"),
        (
            "audit: positions between near duplicates",
            f"{furthest} at most",
            "no distant ones",
            furthest < 10,
        ),
    ]


def _measure_copy_matching(folder: Path) -> tuple[float, int]:
    """Scramble the names; return the share of copies that are grouped with their slice, and the
    largest distance in positions of two near duplicates (999: of different series)."""
    from spinefrac.audit.features import DatasetFeatures
    from spinefrac.data.scan import examine

    generator, truth = random.Random(1), {}
    for file in sorted((PUBLIC / "with-augmented-copies").rglob("*.png")):
        match = re.match(r"(\w+) \((\d+)\)(-?)", file.name)
        if match is None:
            continue
        new = folder / file.parent.name / f"{generator.getrandbits(64):016x}.png"
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, new)
        truth[f"{file.parent.name}/{new.name}"] = (match[1], int(match[2]), match[3] == "-")
    examined = examine(folder)
    of = [truth[path] for path in examined.dataset.paths]
    sets = DatasetFeatures(examined).copy_sets
    original = {entry[:2]: sets[row] for row, entry in enumerate(of) if not entry[2]}
    copies = [row for row, entry in enumerate(of) if entry[2]]
    bound = float(np.mean([sets[row] == original[of[row][:2]] for row in copies]))
    apart = [
        abs(of[a][1] - of[b][1]) if of[a][0] == of[b][0] else 999
        for a, b in examined.duplicates.near
    ]
    return bound, max(apart, default=0)


# --- phantoms ------------------------------------------------------------------------------


def _measure_phantoms(folder: Path) -> list[Row]:
    """Measure the verdict on each difficulty."""
    table: list[Row] = []
    for difficulty in ("easy", "standard", "hard"):
        out = folder / difficulty
        phantom.write_phantom(out, patients=120, slices=12, seed=7, difficulty=difficulty)
        *_, result = measure_audit(out, folder / "home")
        verdict = result["verdict"]
        table.append((f"audit: phantom {difficulty}, verdict", verdict, "ok", verdict == "ok"))
    return table


def _measure_shortcuts(folder: Path) -> list[Row]:
    """Plant a shortcut in the standard phantom, one at a time; measure whether it is found."""
    table: list[Row] = []
    for name, (plant, wanted) in _SHORTCUTS.items():
        out = folder / name.replace(" ", "-")
        for label in ("fracture", "normal"):
            shutil.copytree(folder / "standard" / label, out / label)
        plant(out)
        *_, result = measure_audit(out, folder / "home")
        found = result["verdict"] != "ok" and any(
            wanted in finding["code"] + finding["message"]
            for finding in result["findings"]
            if finding["severity"] != "ok"
        )
        result_text = f"{'found' if found else 'not found'}, {result['verdict']}"
        table.append((f"audit: {name}", result_text, "found", found))
        shutil.rmtree(out)
    return table


def _convert_to_jpeg(folder: Path) -> None:
    for file in sorted((folder / "fracture").iterdir()):
        cv2.imwrite(str(file.with_suffix(".jpg")), cv2.imread(str(file), cv2.IMREAD_GRAYSCALE))
        file.unlink()


def _add_marker(folder: Path) -> None:
    for file in (folder / "fracture").iterdir():
        image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        cv2.putText(image, "R", (480, 30), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)
        cv2.imwrite(str(file), image)


def _brighten(folder: Path) -> None:
    for file in (folder / "normal").iterdir():
        image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(file), cv2.convertScaleAbs(image, alpha=1.15, beta=10))


def _separate_patients(folder: Path) -> None:
    fractured = {file.name[:4] for file in (folder / "fracture").iterdir()}
    for file in sorted((folder / "normal").iterdir()):
        if file.name[:4] in fractured:
            file.unlink()


_SHORTCUTS = {
    "fractures stored as JPEG": (_convert_to_jpeg, "format"),
    "a marker in a corner of fractures": (_add_marker, "corner"),
    "one class brighter": (_brighten, "brightness"),
    "one class from other patients": (_separate_patients, "classes_from_own_groups"),
}


# --- time and memory -----------------------------------------------------------------------


def _measure_speed(folder: Path) -> list[Row]:
    """Measure 4,000 images of 224 pixels, and 100,000 small ones against 4,000."""
    make_dataset(folder / "middle", 4000, 224)
    middle, again, _, _ = measure_audit(folder / "middle", folder / "home")
    shutil.rmtree(folder / "middle")
    make_dataset(folder / "few", 4000, 64)
    few, *_ = measure_audit(folder / "few", folder / "home")
    make_dataset(folder / "many", 100_000, 64)
    many, _, peak, _ = measure_audit(folder / "many", folder / "home")
    ratio = (many / 100_000) / (few / 4000)
    cores = len(os.sched_getaffinity(0))
    return [
        (f"audit: 4,000 images of 224×224, {cores} cores", f"{middle:.0f} s", "60 s"),
        ("audit: the same folder again", f"{again:.2f} s", "1 s"),
        ("audit: 100,000 images, memory", f"{peak:.0f} MB", "1000 MB"),
        (
            "audit: 100,000 images, time an image against 4,000",
            f"{ratio:.2f} times",
            "at most 1.2 times",
            ratio <= 1.2,
        ),
    ]


def make_dataset(folder: Path, count: int, side: int) -> None:
    """Write `count` images of smooth random fields, ten a patient, half of the patients with
    five fractures."""
    generator = np.random.default_rng(0)
    for label in ("fracture", "normal"):
        (folder / label).mkdir(parents=True)
    for number in range(count):
        patient, place = divmod(number, 10)
        field = generator.integers(0, 256, (12, 12), dtype=np.uint8)
        image = cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC)
        label = "fracture" if patient % 2 and place % 2 else "normal"
        file = folder / label / f"P{patient:05d}_{place:02d}.png"
        cv2.imwrite(str(file), image, [cv2.IMWRITE_PNG_COMPRESSION, 1])


if __name__ == "__main__":
    for line in measure():
        print(*line, sep="   ")
