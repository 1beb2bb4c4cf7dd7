"""From an examined folder to arrays: features of the baselines, folds, sets of duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import PurePosixPath

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.audit import baselines
from spinefrac.audit.report import MAX_EXAMPLES, Baseline, CopySet, FileProperty
from spinefrac.data.file_metadata import NUMERIC_FEATURES
from spinefrac.data.groups import original_stem
from spinefrac.data.scan import Examination

#: Side of the thumbnails of the baseline, in pixels.
FEATURE_SIDE = 16
#: Shuffles of the labels whose AUC is averaged.
N_SHUFFLES = 20
#: Most values of a category that become a feature each.
MAX_CATEGORIES = 6
#: Properties that get a confidence interval: the best, and all from this AUC.
MAX_PROPERTIES, MIN_PROPERTY_AUC = 8, 0.75
#: Most sets of duplicates of a kind that are listed, and paths of a set.
MAX_COPY_SETS, MAX_PATHS_PER_SET = 12, 4


@dataclass(frozen=True)
class DatasetFeatures:
    """An examined folder, and what is computed from it on demand."""

    examination: Examination

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        return self.examination.dataset.labels

    @cached_property
    def groups(self) -> npt.NDArray[np.str_]:
        return self.examination.dataset.groups

    @cached_property
    def naive_folds(self) -> npt.NDArray[np.int64]:
        return baselines.naive_folds(self.labels)

    @cached_property
    def grouped_folds(self) -> npt.NDArray[np.int64]:
        return baselines.grouped_folds(self.labels, self.groups)

    @cached_property
    def thumbnails(self) -> npt.NDArray[np.uint8]:
        """Thumbnails of `FEATURE_SIDE` pixels a side, shape (N, FEATURE_SIDE²)."""
        shape = (FEATURE_SIDE, FEATURE_SIDE)
        rows = np.empty((len(self.labels), FEATURE_SIDE**2), dtype=np.uint8)
        for row, thumbnail in zip(rows, self.examination.thumbnails, strict=True):
            row[:] = cv2.resize(thumbnail, shape, interpolation=cv2.INTER_AREA).ravel()
        return rows

    @cached_property
    def features(self) -> dict[str, npt.NDArray[np.float32]]:
        """Storage, brightness and position by name, each of shape (N,); constant ones left out."""
        metadata = self.examination.metadata
        numbers = np.stack([file.numeric_features for file in metadata]).T
        columns = dict(zip(NUMERIC_FEATURES, numbers, strict=True))
        for kind in ("format", "mode", "size", "scanner"):
            values = [getattr(file, kind) for file in metadata]
            for value, _ in Counter(values).most_common(MAX_CATEGORIES):
                columns[f"{kind} {value or 'unknown'}"] = np.array(
                    [other == value for other in values], dtype=np.float32
                )
        columns["position in the series"] = self._position
        return {name: column for name, column in columns.items() if np.ptp(column) > 0}

    @property
    def feature_matrix(self) -> npt.NDArray[np.float32]:
        """`features` as columns, shape (N, D); one constant column where there is none."""
        if not self.features:
            return np.zeros((len(self.labels), 1), dtype=np.float32)
        return np.stack(list(self.features.values()), axis=1)

    @cached_property
    def properties(self) -> tuple[FileProperty, ...]:
        """The properties that separate the classes best by themselves, the best first."""
        labels, groups = self.labels, self.groups
        together = np.zeros(len(labels), dtype=np.int64)
        quick: list[tuple[float, str, npt.NDArray[np.float64]]] = []
        for name, column in self.features.items():
            values = column.astype(np.float64)
            auc = baselines.score_baseline(labels, values, together, groups, resamples=0).auc
            if auc is not None:
                quick.append((max(auc, 1 - auc), name, values if auc >= 0.5 else -values))
        quick.sort(key=lambda entry: (-entry[0], entry[1]))
        shown = [q for n, q in enumerate(quick) if n < MAX_PROPERTIES or q[0] >= MIN_PROPERTY_AUC]
        return tuple(
            FileProperty(name, auc, baselines.score_baseline(labels, values, together, groups).ci)
            for auc, name, values in shown
        )

    @property
    def _position(self) -> npt.NDArray[np.float32]:
        """Return the position of each slice in its group, 0…1; 0.5 where it is unknown, (N,)."""
        position = np.array([file.position for file in self.examination.metadata])
        share = np.full(len(position), 0.5, dtype=np.float32)
        for rows in rows_by_value(self.groups):
            values = position[rows]
            reach = np.ptp(values) if np.isfinite(values).all() else 0.0
            if reach > 0:
                share[rows] = (values - values.min()) / reach
        return share

    def score_linear_model(self, features: npt.NDArray[np.generic], *, grouped: bool) -> Baseline:
        """Return the AUC of the linear model on `features`, shape (N, D)."""
        folds = self.grouped_folds if grouped else self.naive_folds
        scores = baselines.predict_out_of_fold(features, self.labels[:, None].astype(float), folds)
        return baselines.score_baseline(self.labels, scores[:, 0], folds, self.groups)

    def shuffled_label_auc(self) -> float | None:
        """Return the mean grouped AUC of thumbnails with shuffled labels; copies keep one label."""
        _, of_set = np.unique(self.copy_sets, return_inverse=True)
        label_of = np.zeros(int(of_set.max()) + 1, dtype=np.int64)
        label_of[of_set] = self.labels
        generator = np.random.default_rng(0)
        shuffles = np.stack(
            [generator.permutation(label_of)[of_set] for _ in range(N_SHUFFLES)], axis=1
        )
        scores = baselines.predict_out_of_fold(
            self.thumbnails, shuffles.astype(float), self.grouped_folds
        )
        aucs = [
            baselines.score_baseline(
                labels, column, self.grouped_folds, self.groups, resamples=0
            ).auc
            for labels, column in zip(shuffles.T, scores.T, strict=True)
        ]
        defined = [auc for auc in aucs if auc is not None]
        return float(np.mean(defined)) if defined else None

    # --- examples ----------------------------------------------------------------------

    def first_paths(self, rows: Iterable[int]) -> tuple[str, ...]:
        """Return the paths of the first few different rows."""
        paths: Sequence[str] = self.examination.dataset.paths
        first = dict.fromkeys(paths[row] for row in islice(rows, 4 * MAX_EXAMPLES))
        return tuple(first)[:MAX_EXAMPLES]

    def example_paths(self) -> tuple[str, ...]:
        """Return some slices of either class, each of another group as far as there are."""
        firsts = [int(rows[0]) for rows in rows_by_value(self.groups)]
        chosen: list[int] = []
        for label in (1, 0):
            own = [row for row in firsts if self.labels[row] == label]
            own += np.flatnonzero(self.labels == label)[:4].tolist()
            chosen += list(dict.fromkeys(own))[: MAX_EXAMPLES // 2]
        return self.first_paths(chosen)

    # --- duplicates --------------------------------------------------------------------

    @cached_property
    def copies_by_name(self) -> tuple[int, ...]:
        """Rows whose names end as augmentation tools write them."""
        return tuple(
            row
            for row, path in enumerate(self.examination.dataset.paths)
            if original_stem(path) != _stem_with_suffixes(path)
        )

    @cached_property
    def copy_sets(self) -> npt.NDArray[np.int64]:
        """For each row the first row of its set of copies, by name or by pixels, shape (N,)."""
        from scipy.cluster.hierarchy import DisjointSet

        found = self.examination.duplicates
        copies = DisjointSet(range(len(self.labels)))
        first: dict[tuple[str, ...], int] = {}
        named = {self._name_key(row) for row in self.copies_by_name}
        for row in range(len(self.labels)):
            key = self._name_key(row)
            if key in named:
                copies.merge(row, first.setdefault(key, row))
        for rows in (*found.exact, *found.altered):
            for row in rows[1:]:
                copies.merge(rows[0], row)
        first_rows = np.empty(len(self.labels), dtype=np.int64)
        for members in copies.subsets():
            first_rows[list(members)] = min(members)
        return first_rows

    @cached_property
    def augmented_copies(self) -> tuple[int, ...]:
        """Rows that are altered copies of another by their pixels, or copies by their name."""
        altered = {row for pair in self.examination.duplicates.altered for row in pair}
        copies = set(self.copies_by_name)
        for rows in rows_by_value(self.copy_sets):
            members = [row for row in rows.tolist() if row in altered and row not in copies]
            if len(members) == len(rows):  # no name shows the original: it is the first
                members = members[1:]
            elif len(rows) - len(members) < 1 or not copies.isdisjoint(rows.tolist()):
                members = []
            copies.update(members)
        return tuple(sorted(copies))

    @cached_property
    def copies_across_splits(self) -> tuple[int, ...]:
        """Augmented copies whose slice lies in more than one of the train, val and test folders."""
        splits: dict[int, set[str]] = {}
        for row, item in enumerate(self.examination.dataset.items):
            splits.setdefault(int(self.copy_sets[row]), set()).add(item.split)
        return tuple(r for r in self.augmented_copies if len(splits[int(self.copy_sets[r])]) > 1)

    def example_copy_sets(self) -> tuple[CopySet, ...]:
        """Return the first sets of copies of each kind, slice and copy beside each other."""
        found, paths = self.examination.duplicates, self.examination.dataset.paths
        altered = set(found.altered)
        by_name = [
            [rows[0], *(row for row in rows[1:] if row in self._copies_by_name_set)]
            for rows in (part.tolist() for part in rows_by_value(self.copy_sets))
            if any(row in self._copies_by_name_set for row in rows)
        ]
        kinds: dict[str, Iterable[Sequence[int]]] = {
            "exact": found.exact,
            "near": [pair for pair in found.near if pair not in altered],
            "turned": found.altered,
            "named": [rows for rows in by_name if len(rows) > 1],
        }
        return tuple(
            CopySet(kind, tuple(paths[row] for row in rows[:MAX_PATHS_PER_SET]))
            for kind, sets in kinds.items()
            for rows in list(sets)[:MAX_COPY_SETS]
        )

    @cached_property
    def _copies_by_name_set(self) -> frozenset[int]:
        return frozenset(self.copies_by_name)

    def _name_key(self, row: int) -> tuple[str, ...]:
        item = self.examination.dataset.items[row]
        folder = PurePosixPath(item.path).parent.parts[1 if item.split else 0 :]
        return (*folder, original_stem(item.path).casefold())


def rows_by_value(values: npt.NDArray[np.generic]) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the rows of each value, sorted."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(values[order][1:] != values[order][:-1]) + 1
    yield from np.split(order, starts)


def count_by_class(
    values: Iterable[str], labels: npt.NDArray[np.int64]
) -> dict[str, dict[str, int]]:
    """Count the slices of each class by value, most frequent first; empty ones are left out."""
    found: dict[str, list[int]] = {}
    for value, label in zip(values, labels.tolist(), strict=True):
        if value:
            found.setdefault(value, [0, 0])[label] += 1
    return {
        value: {"fracture": found[value][1], "normal": found[value][0]}
        for value in sorted(found, key=lambda value: (-sum(found[value]), value))
    }


def _stem_with_suffixes(path: str) -> str:
    """Return a file's stem like `original_stem`, but with the suffixes of copies."""
    name = PurePosixPath(path).name
    bare = original_stem(path)
    rest = name[len(bare) :] if name.startswith(bare) else ""
    return bare if not rest or rest.startswith(".") else name
