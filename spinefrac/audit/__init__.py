"""Checks of a data set before training: leakage, duplicates, shortcuts, and baselines.

The names below are imported when they are first used, so that a page that asks how far an audit
is does not load what an audit needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinefrac.audit.report import Audit, Finding
    from spinefrac.audit.run import audit_examination, audit_folder, score_baselines_in_folds

__all__ = ["Audit", "Finding", "audit_examination", "audit_folder", "score_baselines_in_folds"]

_MODULES = {"Audit": "report", "Finding": "report"}


def __getattr__(name: str) -> Any:
    """Import one of the public names when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'run')}"), name)
