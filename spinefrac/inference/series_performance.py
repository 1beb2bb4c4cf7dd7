"""How well the score of a series does, out-of-fold, for models of slices and of scans."""

from __future__ import annotations

from spinefrac.evaluation.series_pooling import SeriesPerformance, evaluate_series_score
from spinefrac.store.repository import SavedModel


def load_series_performance(
    model: SavedModel, *, n_resamples: int = 1000
) -> SeriesPerformance | None:
    """Return the performance and the threshold of the series score.

    Parameters
    ----------
    model : SavedModel
        Of a model of scans these are its own metrics and threshold; for one of slices they are
        computed from its out-of-fold predictions.
    n_resamples : int
        Of the bootstrap over groups, where they are computed.

    Returns
    -------
    SeriesPerformance or None
        None where there are no out-of-fold predictions, or too few series.
    """
    if not model.has_out_of_fold:
        return None
    of_slices = model.card.scan_metrics
    if of_slices is None:
        return evaluate_series_score(model.load_out_of_fold(), n_resamples=n_resamples)
    return SeriesPerformance(
        threshold=model.threshold,
        metrics=model.metrics,
        median_slices=round(of_slices.slices / model.metrics.n),
    )
