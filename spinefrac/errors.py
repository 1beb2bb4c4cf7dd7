"""Errors by kind.

Every message is one line: what was expected, what came instead, and what to do next.
The command line prints it as it is and the pages show it as it is, so it carries no
patient data and no path other than the one the user typed.
"""


class SpinefracError(Exception):
    """Base of every error that a user can do something about."""


class ImageError(SpinefracError):
    """A file cannot be read as a CT slice: not an image, damaged, empty or too large."""


class DatasetError(SpinefracError):
    """A folder cannot serve as a data set: layout, labels, groups or folds do not fit."""


class UnknownUploadError(DatasetError):
    """There is no such unfinished upload of the person.

    `http_status` is what an HTTP interface answers.
    """

    http_status = 404


class ChangedDataError(DatasetError):
    """A file of a data set is not the one that was scanned: what was derived does not hold."""


class TrainingError(SpinefracError):
    """Training cannot start or cannot go on: settings, weights or a diverging loss."""


class RunError(SpinefracError):
    """A run cannot be submitted, found, cancelled or resumed, or the runs' database is unusable."""


class UnknownRunError(RunError):
    """There is no such run.

    `http_status` is what an HTTP interface answers.
    """

    http_status = 404


class MissingPackageError(SpinefracError):
    """The work needs packages that are not installed here; the message says which to install.

    `http_status` is what an HTTP interface answers.
    """

    http_status = 501


class ServerError(SpinefracError):
    """The server cannot start: its address, its certificate or its files."""


class BackupError(SpinefracError):
    """HOME cannot be saved in a backup or restored from one."""


class ModelError(SpinefracError):
    """A saved model is missing, damaged, of another version, or cannot be written."""


class BudgetError(SpinefracError):
    """A request needs more than one session may hold: smaller files, or fewer of them.

    `http_status` is what an HTTP interface answers.
    """

    http_status = 413


class BusyError(BudgetError):
    """A server holds as much, or has as much to do, as it may: try again later."""

    http_status = 429


class HistoryError(SpinefracError):
    """The history cannot be read or written; the prediction itself is not affected."""


class UserError(SpinefracError):
    """A user, an invitation or a token cannot be added, found or changed."""


class AccessError(SpinefracError):
    """Somebody may not do what was asked for.

    `http_status` is what an HTTP interface answers.
    """

    http_status = 403


class SignInError(AccessError):
    """Nobody is signed in, or what was given to sign in does not hold."""

    http_status = 401


class Cancelled(SpinefracError):
    """The work was cancelled by a user; nothing is wrong."""
