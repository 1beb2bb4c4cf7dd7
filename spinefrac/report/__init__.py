"""Reports on saved models and on predictions, each as one HTML, PDF or JSON file, or as DICOM.

`model_report` and `prediction_report` collect the elements; `figures` draws; `checklists` fills
in CLAIM 2024 and TRIPOD+AI; `html` and `pdf` lay the elements out. Everything comes from the
files of the model and its saved evaluations, so that the same model gives the same report.
"""

from __future__ import annotations

from spinefrac.report.model_report import build_model_report

__all__ = ["build_model_report"]
