"""What is counted."""

from spinefrac.api import figures


def test_no_figure_has_a_label_that_could_name_somebody():
    labels = {
        label
        for family in figures.REGISTRY.collect()
        if family.name.startswith("spinefrac")
        for sample in family.samples
        for label in sample.labels
    }
    assert labels <= {"area", "method", "status", "why", "outcome", "state", "budget", "le"}
