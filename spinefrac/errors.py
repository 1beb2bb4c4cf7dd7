"""What can go wrong, by kind.

Every message is one line that says what was expected, what came, and what to do next.
The command line prints it as it is and the pages show it as it is, so it carries no
patient data and no path other than the one the user typed.
"""


class SpinefracError(Exception):
    """Base of every error that a user can do something about."""


class ImageError(SpinefracError):
    """A file cannot be read as a CT slice: not an image, damaged, empty or too large."""


class DatasetError(SpinefracError):
    """A folder cannot serve as a data set: layout, labels, groups or folds do not fit."""


class TrainingError(SpinefracError):
    """Training cannot start or cannot go on: settings, weights or a diverging loss."""


class RunError(SpinefracError):
    """A run cannot be submitted, found, stopped or resumed, or the runs' database not be used."""


class ModelError(SpinefracError):
    """A saved model is missing, damaged, of another version, or cannot be written."""


class HistoryError(SpinefracError):
    """What was answered before cannot be kept or read; the answer itself is not touched."""


class Cancelled(SpinefracError):
    """The work was stopped because somebody asked for it; nothing is wrong."""
