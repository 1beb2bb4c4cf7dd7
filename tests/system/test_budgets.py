"""What sessions may hold: their share, the total, and that it is given back."""

import gc

import pytest

from spinefrac.errors import BudgetError, BusyError, SpinefracError
from spinefrac.system import budgets
from spinefrac.system.budgets import Account


@pytest.fixture
def account() -> Account:
    return Account("MB of files", 25, 10, unit=2, advice="remove some")


def test_over_the_share_is_a_sentence_with_what_to_do(account):
    account.hold("a", "x", 6)
    with pytest.raises(BudgetError, match=r"at most 5 MB of .* got 6 MB of .*; remove") as found:
        account.hold("a", "y", 5)
    assert type(found.value) is BudgetError and found.value.http_status == 413
    assert account.held("a") == 6
    account.hold("a", "x", 9)  # in place of the 6
    assert account.held() == 9


def test_over_the_total_others_are_the_reason(account):
    for owner in "abc":
        account.hold(owner, "x", 8)
    with pytest.raises(BusyError, match="try again") as found:
        account.hold("d", "x", 2)
    assert found.value.http_status == 429 and isinstance(found.value, SpinefracError)
    account.release("a", "x")
    account.hold("d", "x", 2)
    assert account.held() == 18


def test_what_is_refused_is_not_held(account):
    account.hold("a", "x", 4)
    with pytest.raises(BudgetError):
        account.hold("a", "x", 40)
    assert account.held() == 0


def test_an_amount_ends_with_its_object(account):
    class Thing:
        pass

    things = [Thing(), Thing()]
    for thing in things:
        account.hold_for(thing, "a", 3)
    assert account.held("a") == 6
    del thing, things[0]
    gc.collect()
    assert account.held("a") == 3
    account.release("a")
    things.clear()
    gc.collect()
    assert account.held() == 0


def test_nobody_is_not_counted(account):
    account.hold("", "x", 10**9)
    assert account.held() == 0


def test_an_owner_who_ends_gives_everything_back():
    for account in budgets.ACCOUNTS:
        account.hold("one who ends", "x", 1)
    budgets.release_owner("one who ends")
    assert all(account.held("one who ends") == 0 for account in budgets.ACCOUNTS)
