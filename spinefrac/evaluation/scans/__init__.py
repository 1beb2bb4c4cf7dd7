"""Metrics of scans beside those of `spinefrac.evaluation.metrics`."""
