"""The one place that decides who may do what: pages, callbacks and REST ask `permits`.

The table of `docs/team-server.md` is made from `RULES`; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from types import MappingProxyType

from spinefrac.errors import AccessError, SignInError


class Role(StrEnum):
    """What somebody may do, from least to most."""

    GUEST = "guest"
    VIEWER = "viewer"
    TRAINER = "trainer"
    ADMIN = "admin"


class Scope(Enum):
    """On which things an action is allowed."""

    NONE = "no"
    #: Only with the model that the guest's link names.
    ONE_MODEL = "one model"
    #: Only on what belongs to the person.
    OWN = "own"
    ALL = "yes"


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who signed in.

    Attributes
    ----------
    name : str
        What models, runs, data sets and predictions say about their owner.
    role : Role
    model : str
        Of a guest: the model that may be used.
    expires_at : datetime or None
        Of a guest: when the link ends.
    """

    name: str
    role: Role
    model: str = ""
    expires_at: datetime | None = None

    @property
    def owner(self) -> str:
        """What is written on things that this person makes; empty at the machine itself."""
        return "" if self == LOCAL else self.name


#: Who uses the app on the machine it runs on, where no sign-in is set up.
LOCAL = Identity("local", Role.ADMIN)


class Action(StrEnum):
    """Everything that can be done on a page, in a callback or by REST."""

    PREDICT = "predict"
    KEEP_PREDICTION = "keep-prediction"
    SEE_PREDICTION = "see-prediction"
    SEE_SHARED_PREDICTION = "see-shared-prediction"
    DELETE_PREDICTION = "delete-prediction"
    SEE_MODEL = "see-model"
    SHARE = "share"
    TRY_AUGMENTATION = "try-augmentation"
    SEE_RUN = "see-run"
    EVALUATE_MODEL = "evaluate-model"
    REVIEW_LABELS = "review-labels"
    SAVE_PRESET = "save-preset"
    SEE_PRESET = "see-preset"
    CHANGE_PRESET = "change-preset"
    START_RUN = "start-run"
    CHANGE_RUN = "change-run"
    READ_FOLDER = "read-folder"
    ADD_DATASET = "add-dataset"
    SEE_SHARED_DATASET = "see-shared-dataset"
    SEE_DATASET = "see-dataset"
    CHANGE_DATASET = "change-dataset"
    DELETE_DATASET = "delete-dataset"
    EXPORT_MODEL = "export-model"
    DUPLICATE_MODEL = "duplicate-model"
    CHANGE_MODEL = "change-model"
    DELETE_MODEL = "delete-model"
    INVITE_GUEST = "invite-guest"
    SET_DEFAULT_MODEL = "set-default-model"
    IMPORT_MODEL = "import-model"
    MANAGE_USERS = "manage-users"
    SEE_AUDIT_LOG = "see-audit-log"
    SEE_SERVER_METRICS = "see-server-metrics"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may take one action.

    Attributes
    ----------
    title : str
        The action in words that follow "may".
    guest, viewer, trainer, admin : Scope
    """

    title: str
    guest: Scope
    viewer: Scope
    trainer: Scope
    admin: Scope

    def scope(self, role: Role) -> Scope:
        """Return on which things somebody of a role may take the action."""
        scopes = {
            Role.GUEST: self.guest,
            Role.VIEWER: self.viewer,
            Role.TRAINER: self.trainer,
            Role.ADMIN: self.admin,
        }
        return scopes[role]

    @property
    def needs_owner(self) -> bool:
        """Whether it matters to whom the thing belongs."""
        return Scope.OWN in (self.viewer, self.trainer)


_NO, _MODEL, _OWN, _YES = Scope.NONE, Scope.ONE_MODEL, Scope.OWN, Scope.ALL

#: The table of roles: guest, viewer, trainer, admin.
RULES: Mapping[Action, Rule] = MappingProxyType(
    {
        Action.PREDICT: Rule("predict", _MODEL, _YES, _YES, _YES),
        Action.KEEP_PREDICTION: Rule("keep predictions and feedback", _NO, _YES, _YES, _YES),
        Action.SEE_PREDICTION: Rule("see kept predictions", _NO, _OWN, _OWN, _YES),
        Action.SEE_SHARED_PREDICTION: Rule(
            "see predictions that others share", _NO, _YES, _YES, _YES
        ),
        Action.DELETE_PREDICTION: Rule("delete kept predictions", _NO, _OWN, _OWN, _YES),
        Action.SEE_MODEL: Rule(
            "see models, their metrics, cards and reports", _MODEL, _YES, _YES, _YES
        ),
        Action.SHARE: Rule("share links", _NO, _YES, _YES, _YES),
        Action.TRY_AUGMENTATION: Rule("try augmentations", _NO, _YES, _YES, _YES),
        Action.SEE_RUN: Rule("see runs", _NO, _YES, _YES, _YES),
        Action.EVALUATE_MODEL: Rule("evaluate models on data sets", _NO, _NO, _YES, _YES),
        Action.REVIEW_LABELS: Rule(
            "see slices of data sets and review labels", _NO, _NO, _YES, _YES
        ),
        Action.SAVE_PRESET: Rule("save presets", _NO, _NO, _YES, _YES),
        Action.SEE_PRESET: Rule("use private presets", _NO, _NO, _OWN, _YES),
        Action.CHANGE_PRESET: Rule("replace, share and delete presets", _NO, _NO, _OWN, _YES),
        Action.START_RUN: Rule("train and fine-tune models", _NO, _NO, _YES, _YES),
        Action.CHANGE_RUN: Rule("cancel and resume runs", _NO, _NO, _OWN, _YES),
        Action.READ_FOLDER: Rule("read data set folders of the server", _NO, _NO, _YES, _YES),
        Action.ADD_DATASET: Rule("upload data sets", _NO, _NO, _YES, _YES),
        Action.SEE_SHARED_DATASET: Rule("use shared data sets", _NO, _NO, _YES, _YES),
        Action.SEE_DATASET: Rule("use private data sets", _NO, _NO, _OWN, _YES),
        Action.CHANGE_DATASET: Rule("rename, share and correct data sets", _NO, _NO, _OWN, _YES),
        Action.DELETE_DATASET: Rule("delete data sets", _NO, _NO, _OWN, _YES),
        Action.EXPORT_MODEL: Rule("export models", _NO, _NO, _YES, _YES),
        Action.DUPLICATE_MODEL: Rule("duplicate models", _NO, _NO, _YES, _YES),
        Action.CHANGE_MODEL: Rule("rename, annotate and archive models", _NO, _NO, _OWN, _YES),
        Action.DELETE_MODEL: Rule("delete, restore and purge models", _NO, _NO, _OWN, _YES),
        Action.INVITE_GUEST: Rule("invite guests to a model", _NO, _NO, _YES, _YES),
        Action.SET_DEFAULT_MODEL: Rule("choose the default model", _NO, _NO, _NO, _YES),
        Action.IMPORT_MODEL: Rule("import models", _NO, _NO, _NO, _YES),
        Action.MANAGE_USERS: Rule("invite and remove users", _NO, _NO, _NO, _YES),
        Action.SEE_AUDIT_LOG: Rule("see who did what", _NO, _NO, _NO, _YES),
        Action.SEE_SERVER_METRICS: Rule("see the figures of the server", _NO, _NO, _NO, _YES),
    }
)


def permits(
    identity: Identity | None,
    action: Action,
    *,
    owner: str | None = None,
    model: str | None = None,
) -> bool:
    """Return whether somebody may take an action.

    Parameters
    ----------
    identity : Identity or None
        None is somebody who did not sign in: nothing is allowed.
    action : Action
    owner : str, optional
        To whom the thing belongs; needed where the table says "own". Empty where nobody is known:
        then only those may who may on all things.
    model : str, optional
        The model that is used; a guest may use one, and without a name none.

    Raises
    ------
    ValueError
        The owner is missing: a mistake in the code, which must not become an open door.

    Examples
    --------
    >>> trainer = Identity("kim", Role.TRAINER)
    >>> permits(trainer, Action.DELETE_MODEL, owner="kim")
    True
    >>> permits(trainer, Action.DELETE_MODEL, owner="lee")
    False
    """
    rule = RULES[action]
    if rule.needs_owner and owner is None:
        raise ValueError(f"to decide on {action}, the owner of the thing is needed")
    if identity is None:
        return False
    scope = rule.scope(identity.role)
    if scope is Scope.OWN:
        return bool(owner) and owner == identity.name
    if scope is Scope.ONE_MODEL:
        return bool(model) and model == identity.model
    return scope is Scope.ALL


def require(
    identity: Identity | None,
    action: Action,
    *,
    owner: str | None = None,
    model: str | None = None,
) -> Identity:
    """Return who it is, if that person may take an action; parameters as for `permits`.

    Raises
    ------
    SignInError
        Nobody signed in.
    AccessError
        The person may not.
    """
    if permits(identity, action, owner=owner, model=model) and identity is not None:
        return identity
    if identity is None:
        raise SignInError("nobody is signed in: sign in first")
    raise AccessError(explain_refusal(identity, action))


def explain_refusal(identity: Identity, action: Action) -> str:
    """Return why somebody may not take an action, and who could, in one line.

    Examples
    --------
    >>> explain_refusal(Identity("kim", Role.VIEWER), Action.IMPORT_MODEL)
    'as viewer you may not import models: ask an admin'
    """
    rule = RULES[action]
    scope = rule.scope(identity.role)
    if scope is Scope.OWN:
        return f"you may {rule.title} of your own only: ask their owner or an admin"
    if scope is Scope.ONE_MODEL:
        return f"as guest you may {rule.title} with the model {identity.model} only"
    able = [role for role in Role if rule.scope(role) in (Scope.OWN, Scope.ALL)]
    return f"as {identity.role} you may not {rule.title}: ask {_with_article(able[0])}"


def format_table() -> str:
    """Return the table of roles in Markdown, as the documents show it."""
    lines = ["| may | " + " | ".join(Role) + " |", "|---|" + "---|" * len(Role)]
    for rule in RULES.values():
        cells = " | ".join(rule.scope(role).value for role in Role)
        lines.append(f"| {rule.title} | {cells} |")
    return "\n".join(lines)


def _with_article(role: Role) -> str:
    return f"an {role}" if role is Role.ADMIN else f"a {role}"
