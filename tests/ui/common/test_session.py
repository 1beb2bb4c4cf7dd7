"""A session is one owner, holds what it uploads, and is told when that is too much."""

from pathlib import Path

import pytest
import streamlit as st

from spinefrac.system import budgets
from tests.support import app as pages

DICOM = Path("spinefrac/ui/samples/fracture-1.dcm").read_bytes()


@pytest.fixture
def own_accounts(monkeypatch):
    """Accounts that no other test has used, and no slice that one of them has read."""
    st.cache_resource.clear()
    for account in budgets.ACCOUNTS:
        monkeypatch.setattr(account, "_held", type(account._held)(dict))


def test_an_upload_counts_while_it_is_there(own_accounts):
    app = pages.run_page("predict")
    assert budgets.FILES.held() == 0
    app.file_uploader[0].upload("a.dcm", DICOM, "").run()
    assert not app.exception and budgets.FILES.held() == len(DICOM)
    assert budgets.SLICES.held() >= 512 * 512 * 4
    pages.click_sample(app)
    assert budgets.FILES.held() == 0


def test_too_large_an_upload_is_refused_with_what_to_do(own_accounts, monkeypatch):
    monkeypatch.setattr(budgets.FILES, "share", 1000)
    app = pages.run_page("predict")
    app.file_uploader[0].upload("a.dcm", DICOM, "").run()
    (error,) = app.error
    assert "in one session" in error.value and "remove files" in error.value


def test_what_the_augmentation_page_holds_counts_and_is_refused_over_the_share(
    own_accounts, monkeypatch
):
    app = pages.run_page("augmentation")
    source = next(group for group in app.button_group if "Upload" in group.options)
    source.set_value("Upload").run()
    app.file_uploader[0].upload("a.dcm", DICOM, "").run()
    assert not app.error and budgets.FILES.held() == len(DICOM)
    assert budgets.SLICES.held() >= 512 * 512 * 4
    monkeypatch.setattr(budgets.FILES, "share", 1000)
    app.run()
    (error,) = app.error
    assert "in one session" in error.value and "remove files" in error.value
