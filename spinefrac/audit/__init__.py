"""What a data set can show and what it cannot: leaks, shortcuts, and what a trivial model gets."""

from spinefrac.audit.report import Audit, Finding
from spinefrac.audit.run import audit_examination, audit_folder

__all__ = ["Audit", "Finding", "audit_examination", "audit_folder"]
