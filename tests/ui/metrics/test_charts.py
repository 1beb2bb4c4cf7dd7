"""How a chart is shown, and what stands where there is none."""

from streamlit.testing.v1 import AppTest


def draw() -> None:
    from plotly.graph_objects import Figure

    from spinefrac.errors import DatasetError
    from spinefrac.ui.metrics import charts

    def fail() -> None:
        raise DatasetError("expected two classes, got *one*")

    charts.show_chart(Figure(), "roc", "A curve")
    assert charts.compute_or_explain(fail) is None
    assert charts.compute_or_explain(lambda: 7) == 7


def test_a_chart_has_its_data_and_a_missing_one_its_reason() -> None:
    app = AppTest.from_function(draw).run()
    assert not app.exception
    (chart,), (button,) = app.get("plotly_chart"), app.get("download_button")
    assert '"filename": "roc"' in chart.proto.config
    assert button.proto.label == "Download CSV"
    assert app.info[0].value == r"Expected two classes\, got \*one\*\."
