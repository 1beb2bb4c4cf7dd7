"""Tables of metrics: sorted by numbers, shown with intervals."""

import pandas as pd

from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.ui.metrics import tables


def test_cells_are_numbers_shown_with_interval_and_mark() -> None:
    metrics = compute_metrics([0, 1, 0, 1] * 5, [0.1, 0.9, 0.6, 0.8] * 5, list("abcd") * 5, 0.5)
    one_class = compute_metrics([0, 0], [0.1, 0.2], ["a", "b"], 0.5)
    leading = pd.DataFrame({"name": ["both", "one class"]})
    styler = tables.style_metrics(leading, [metrics, one_class], ["auc"], {(0, "auc"): "★ "})
    assert styler.data["auc"].iloc[0] == metrics.auc and styler.data["auc"].isna().iloc[1]
    html = styler.to_html()
    low, high = metrics.ci["auc"]
    assert f"★ {metrics.auc:.3f} ({low:.3f} to {high:.3f})" in html
    assert "not defined" in html


def test_columns_have_the_title_and_description_of_their_metric() -> None:
    config = tables.configure_columns(["precision", "ece"])
    assert config["precision"]["label"] == "PPV (precision)"
    assert config["ece"]["width"] > config["precision"]["width"]
