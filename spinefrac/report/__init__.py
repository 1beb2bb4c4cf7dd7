"""A saved model's report, to be sent to people: one HTML file, or one PDF.

`contents` says what is in it as plain blocks; `figures` draws; `checklists` fills in CLAIM 2024
and TRIPOD+AI; `html` and `pdf` lay the blocks out. Everything comes from the model's own files
and the evaluations kept with it, so that the same model gives the same report.
"""

from __future__ import annotations

from spinefrac.report.model_report import build_model_report

__all__ = ["build_model_report"]
