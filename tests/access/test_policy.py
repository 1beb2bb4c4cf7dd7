"""The table of roles: what it allows, and that the documents show the one that holds."""

from pathlib import Path

import pytest

from spinefrac.access import policy
from spinefrac.access.policy import RULES, Action, Identity, Role, Scope
from spinefrac.errors import AccessError, SignInError

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "team-server.md"
GUEST = Identity("guest-1", Role.GUEST, model="demo")


def test_every_action_has_a_rule() -> None:
    assert set(RULES) == set(Action)


def test_the_document_shows_the_table_that_holds() -> None:
    assert policy.format_table() in DOCUMENT.read_text("utf-8")


@pytest.mark.parametrize("action", Action)
def test_nobody_may_do_anything(action: Action) -> None:
    assert not policy.permits(None, action, owner="kim", model="demo")
    with pytest.raises(SignInError) as caught:
        policy.require(None, action, owner="kim", model="demo")
    assert caught.value.http_status == 401


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_the_table_says(action: Action, role: Role) -> None:
    scope = RULES[action].scope(role)
    somebody = Identity("kim", role, model="demo")
    on_own = policy.permits(somebody, action, owner="kim", model="demo")
    on_others = policy.permits(somebody, action, owner="lee", model="other")
    on_nobodys = policy.permits(somebody, action, owner="", model="")
    assert on_own == (scope is not Scope.NONE)
    assert on_others == on_nobodys == (scope is Scope.ALL)


@pytest.mark.parametrize("action", Action)
def test_a_higher_role_may_do_more(action: Action) -> None:
    order = [Scope.NONE, Scope.ONE_MODEL, Scope.OWN, Scope.ALL]
    ranks = [order.index(RULES[action].scope(role)) for role in Role]
    assert ranks == sorted(ranks)
    assert RULES[action].admin is Scope.ALL


def test_a_missing_owner_is_a_mistake_and_no_open_door() -> None:
    with pytest.raises(ValueError, match="the owner"):
        policy.permits(policy.LOCAL, Action.DELETE_MODEL)


def test_a_guest_predicts_with_one_model_and_without_a_name_with_none() -> None:
    assert policy.permits(GUEST, Action.PREDICT, model="demo")
    assert not policy.permits(GUEST, Action.PREDICT, model="other")
    assert not policy.permits(GUEST, Action.PREDICT)


@pytest.mark.parametrize(
    ("identity", "action", "words"),
    [
        (Identity("kim", Role.VIEWER), Action.START_RUN, "ask a trainer"),
        (Identity("kim", Role.TRAINER), Action.DELETE_MODEL, "of your own only"),
        (GUEST, Action.PREDICT, "with the model demo only"),
    ],
)
def test_a_refusal_says_who_could(identity: Identity, action: Action, words: str) -> None:
    with pytest.raises(AccessError, match=words) as caught:
        policy.require(identity, action, owner="lee", model="other")
    assert caught.value.http_status == 403


def test_require_returns_who_it_is() -> None:
    assert policy.require(policy.LOCAL, Action.MANAGE_USERS) is policy.LOCAL
