"""How well the series score does: computed for models of slices, that of the card for scans."""

from types import SimpleNamespace

from spinefrac.evaluation.scans.scan_metrics import ScanMetrics
from spinefrac.evaluation.series_pooling import evaluate_series_score
from spinefrac.inference.series_performance import load_series_performance
from tests.support.out_of_fold import rsna_out_of_fold

OF_SLICES = ScanMetrics(
    slices=240, own_labels=120, slice_auc=None, sensitivity_at_false_alarms=None, rsna_log_loss=0.2
)


def make_model(scan_metrics: ScanMetrics | None = None, *, is_evaluated: bool = True):
    return SimpleNamespace(
        has_out_of_fold=is_evaluated,
        card=SimpleNamespace(scan_metrics=scan_metrics),
        threshold=0.37,
        metrics=SimpleNamespace(n=20),
        load_out_of_fold=lambda: rsna_out_of_fold(24),
    )


def test_a_model_of_scans_has_its_own_threshold_and_metrics():
    model = make_model(OF_SLICES)
    found = load_series_performance(model)
    assert found is not None and found.threshold == 0.37 and found.metrics is model.metrics
    assert found.median_slices == 12


def test_a_model_of_slices_is_measured_on_its_series():
    expected = evaluate_series_score(rsna_out_of_fold(24), n_resamples=0)
    assert load_series_performance(make_model(), n_resamples=0) == expected is not None


def test_nothing_is_known_of_an_imported_model():
    assert load_series_performance(make_model(is_evaluated=False)) is None
