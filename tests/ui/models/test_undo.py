"""Deleted models: restored, or purged when the session ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from spinefrac.store import trash
from tests.ui.models.support import checked, confirm, dialog, page


def test_space_is_freed_on_demand_and_when_the_session_has_ended(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page("second")
    dialog(app, "Delete")
    confirm(app, "Delete", "confirm-delete")
    checked(next(b for b in app.button if b.label == "Delete permanently").click().run())
    assert trash.list_restorable() == []
    app = page("old")
    dialog(app, "Delete")
    confirm(app, "Delete", "confirm-delete")
    assert len(trash.list_restorable()) == 1
    from spinefrac.ui.models import undo

    monkeypatch.setattr(undo, "RECONNECT_GRACE_S", 0.01)
    name = trash.list_restorable()[0].session
    undo._schedule_purge(name)
    undo._purge_timers[name].join(timeout=30)
    assert trash.list_restorable() == []
