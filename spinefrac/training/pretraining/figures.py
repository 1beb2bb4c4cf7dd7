"""What pretrained weights alone can do: measured on phantoms that they have not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spinefrac.evaluation import calibration, pointing_game
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.evaluation.operating_point import choose_threshold
from spinefrac.training import heads
from spinefrac.training.keras_logits import to_image_batch
from spinefrac.training.pretraining.phantom_masks import mask_to_cells
from spinefrac.training.pretraining.phantom_slices import MaskedSlices

if TYPE_CHECKING:
    import keras

_BATCH = 32


def measure(network: keras.Model, slices: MaskedSlices) -> dict[str, Any]:
    """Return the AUC, and how often the heat map points into the fracture.

    Parameters
    ----------
    network : keras.Model
        Of `networks.build_network`, for inputs of the slices' side.
    slices : MaskedSlices

    Returns
    -------
    dict
        ``slices``, ``patients``, ``auc``, ``auc_ci``, ``pointing`` and ``pointing_ci`` (share of
        the true positives at the threshold of the highest sensitivity + specificity, with the
        hottest cell in the mask). Intervals are over patients.
    """
    with_heatmap = heads.add_heatmap_output(network)
    parts = [
        with_heatmap.predict_on_batch(to_image_batch(network, slices.pixels[i : i + _BATCH]))
        for i in range(0, len(slices.labels), _BATCH)
    ]
    logits = np.concatenate([np.asarray(part[0]) for part in parts])[:, 0].astype(np.float64)
    heatmaps = np.concatenate([np.asarray(part[1]) for part in parts])
    groups = slices.patients.astype(str)
    probabilities = calibration.apply_temperature(logits, temperature=1.0)
    threshold = choose_threshold(slices.labels, probabilities, groups, n_resamples=0).threshold
    metrics = compute_metrics(slices.labels, probabilities, groups, threshold)
    found = np.flatnonzero((slices.labels == 1) & (probabilities >= threshold))
    cells = [mask_to_cells(slices.masks[row], heatmaps.shape[1:]) for row in found]
    pointing = pointing_game.summarize_hits(
        [bool(c.flat[heatmaps[row].argmax()]) for c, row in zip(cells, found, strict=True)],
        [float(c.mean()) for c in cells],
        [str(name) for name in groups[found]],
    )
    return {
        "slices": len(slices.labels),
        "patients": len(np.unique(groups)),
        "auc": metrics.auc,
        "auc_ci": metrics.ci.get("auc"),
        "pointing": pointing.share if pointing else None,
        "pointing_ci": pointing.ci if pointing else None,
    }
