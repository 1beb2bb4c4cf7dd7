"""The settings of a training run, each described once for page, command line and Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Integral, Real
from typing import Any, get_args, get_type_hints

from spinefrac.data.splits import DEFAULT_FOLDS
from spinefrac.errors import TrainingError
from spinefrac.records import Preprocessing
from spinefrac.training.augmentation.config import AugmentationConfig

__all__ = [
    "FROZEN_NETWORKS",
    "NETWORKS",
    "NETWORK_WEIGHTS",
    "SETTINGS",
    "AugmentationConfig",
    "Setting",
    "TrainingSettings",
    "is_weights_file",
]

#: Weights that a network can start from, besides a file's: those that it starts from first.
#: ``spine`` comes with the package, see `spinefrac.training.pretraining`.
NETWORK_WEIGHTS = {
    "compact_lite0": ("spine",),
    "compact": ("spine", "none"),
    "lite0": ("imagenet",),
    "mobilenet_v3_small": ("none", "imagenet"),
    "efficientnet_v2_b0": ("none", "imagenet"),
    "densenet121": ("none", "imagenet"),
    "resnet50": ("none", "imagenet"),
}

#: Names that `TrainingSettings.network` accepts, the default first.
NETWORKS = tuple(NETWORK_WEIGHTS)

#: Those whose backbones keep their weights while the head is fitted.
FROZEN_NETWORKS = ("lite0", "compact_lite0")

#: Fields that saved settings may hold and that decide nothing any more: epochs took their place.
_FORMER = ("feature_variants",)

_WHOLE: Any = Integral  # of Python or NumPy
_NUMBER: Any = Real


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as people see it, wherever they set it.

    Attributes
    ----------
    name : str
        The field of `TrainingSettings` or of its `Preprocessing`.
    default : object
    type : type
        Of its values, such as ``int`` or ``str | None``.
    title : str
    help : str
        One sentence.
    details : str
        More sentences, where there is space for them.
    minimum, maximum : int, float or None
        Limits of a number, inclusive.
    above : bool
        Whether a number must be more than its `minimum`.
    form_minimum, form_maximum : int, float or None
        The smallest and largest value that a form offers, where they are not the limits.
    step : int, float or None
        By which the buttons of a form change a number.
    unit : str
    zero_meaning : str
        What 0 stands for, where it is no number like the others.
    choices : tuple of str
        The only values, where there are few.
    placeholder : str
        What a text looks like, for the command line.
    advanced : bool
        Whether most users leave it as it is.
    """

    name: str
    default: Any
    type: Any
    title: str
    help: str
    details: str = ""
    minimum: float | None = None
    maximum: float | None = None
    above: bool = False
    form_minimum: float | None = None
    form_maximum: float | None = None
    step: float | None = None
    unit: str = ""
    zero_meaning: str = ""
    choices: tuple[str, ...] = ()
    placeholder: str = ""
    advanced: bool = False

    @property
    def label(self) -> str:
        """Title and unit, for a form."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def is_float(self) -> bool:
        """Whether its values are numbers that need not be whole."""
        return float in (self.type, *get_args(self.type))

    @property
    def is_optional(self) -> bool:
        """Whether None is a value of it, and means automatic."""
        return type(None) in get_args(self.type)

    @property
    def description(self) -> str:
        """Everything that is said about it."""
        return f"{self.help} {self.details}".strip()

    def validate(self, value: Any) -> None:
        """Raise TrainingError for a number outside the limits or a text that is no choice."""
        name = self.name.replace("_", " ")
        if self.choices and value not in self.choices:
            raise TrainingError(
                f"unknown {name} {value!r}; choose one of {', '.join(self.choices)}"
            )
        if self.minimum is None or (value is None and self.is_optional):
            return
        whole = not self.is_float
        if isinstance(value, bool) or not isinstance(value, _WHOLE if whole else _NUMBER):
            raise TrainingError(
                f"{name} must be a {'whole ' if whole else ''}number, got {value!r}; the default "
                f"is {'automatic' if self.default is None else self.default}"
            )
        if self.maximum is not None:
            if not self.minimum <= value <= self.maximum or (self.above and value == self.minimum):
                unit = f" {self.unit}" if self.unit else ""
                raise TrainingError(
                    f"{name} must lie between {self.minimum:.12g} and {self.maximum:.12g}{unit}, "
                    f"got {value}; the default is {self.default}"
                )
        elif not value >= self.minimum:
            least = f"{self.minimum} ({self.zero_meaning}) or more"
            least = least if self.zero_meaning else f"at least {self.minimum}"
            raise TrainingError(f"{name} must be {least}, got {value}; raise it")


def _setting(default: Any, title: str, help: str, **facts: Any) -> Any:
    """Return a dataclass field with the facts of a `Setting` in its metadata."""
    return field(default=default, metadata={"title": title, "help": help, **facts})


def is_weights_file(weights: str | None) -> bool:
    """Whether the setting `weights` is the path of a file, not a name."""
    return weights is not None and all(weights not in names for names in NETWORK_WEIGHTS.values())


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Everything that decides a run's result, apart from the data.

    Attributes
    ----------
    network : str
        One of `NETWORKS`.
    weights : str or None
        One of the network's `NETWORK_WEIGHTS`, the path of a weights file, or None for the first
        of them.
    folds : int or None
        None for five, or the most that keep whole groups of both classes in every fold. The
        settings of a workspace and of a saved model hold the number.
    epochs : int
        Where the head alone is fitted (`fits_head_only`), epoch e is its fit on every slice as it
        is and in e - 1 augmented variants.
    thaw : bool
        Whether `compact` within `compact_lite0` is trained too: the head is fitted in the first
        epoch and departs from there. Off, because on one fold of hard phantoms the head alone had
        an AUC of 0.873 and three epochs more led to 0.867.
    batch_size : int
        Small on purpose: what decides a slice is a line a few pixels long, and a network finds it
        after so many steps rather than after so many slices. On one fold of the standard phantom
        7 epochs reached an AUC of 0.67 with batches of 16 and 0.88 with batches of 8.
    learning_rate : float or None
        Highest rate; it is reached after a linear warm-up and falls along a half cosine. None is
        that of `highest_learning_rate`.
    weight_decay : float
        Decoupled weight decay of AdamW (Loshchilov and Hutter, 2019).
    warmup : float
        Share of all steps that the warm-up takes.
    class_weights : bool
        Whether the rarer class has a larger weight, so that both contribute equally to the loss.
    line_steps : int
        Batches of pretraining on drawn lines, for the network `compact` from random weights, see
        `spinefrac.training.pretraining.drawn_lines`; never more than the training itself has, and 0
        switches it off. On one fold of the standard phantom that had reached an AUC of 0.74
        without it, 300 batches led to 0.99; one that stood at 0.68 after 15 epochs with 300
        reached 0.98 with 700.
    places : bool
        Whether the places of fractures that the data set marks, by boxes or masks, supervise the
        feature map; see `spinefrac.training.place_supervision`. Off, because what it brings
        has not been measured yet.
    early_stopping : bool
        Whether to stop when the loss on an inner validation set, held out of the training
        groups, no longer improves. The outer fold, which is evaluated, is never used.
    patience : int
        Epochs without improvement before early stopping.
    workers : int
        Folds trained at the same time, each in a process of its own with an equal share of the
        cores; 0 means as many as there are cores or folds, whichever is less.
    seed : int
        0 … 2**32 - 1.
    group_by : str
        See `spinefrac.data.scan.scan`.
    preprocessing : Preprocessing
    augmentation : AugmentationConfig

    Raises
    ------
    TrainingError
        A value is outside its limits.
    """

    network: str = _setting(
        NETWORKS[0],
        "Network",
        "Architecture of the networks.",
        details="`compact` was made for lines a few pixels wide and trains on a laptop. `lite0` "
        "has the middle stages of EfficientNet-Lite0 as ImageNet left them, `compact_lite0` both: "
        "of these two the head alone is fitted, which takes a few minutes. The others are "
        "well-known networks for photographs: larger, slower, and useful with many patients.",
        choices=NETWORKS,
        placeholder="NETWORK",
    )
    weights: str | None = _setting(
        None,
        "Initial weights",
        "Weights to start from: spine (of compact, taught with synthetic fractures), none "
        "(random), imagenet (of the larger networks) or a file. If not given: spine where "
        "compact is part of the network, imagenet for lite0, none for the others.",
        details="`spine` comes with the package: `compact` then knows fracture lines before it "
        "sees a slice. ImageNet weights come from photographs, are downloaded once from the "
        "internet and help the large networks.",
        placeholder="spine|none|imagenet|FILE",
    )
    folds: int | None = _setting(
        None,
        "Folds (k)",
        "Number of folds for cross-validation; no fold splits a patient. If not given: "
        f"{DEFAULT_FOLDS}, or the most that keep whole groups of both classes in every fold.",
        details="Each fold is predicted by a network that was trained on all others. More folds "
        "take longer and leave more slices to train on.",
        minimum=2,
        form_maximum=50,
    )
    epochs: int = _setting(
        10,
        "Epochs",
        "How often each network sees all of its training slices, augmented anew each time.",
        details="Enough for networks that start from pretrained weights. From random weights it "
        "takes 25 or more: such a network learns nothing for some epochs before it finds the "
        "fracture lines.",
        minimum=1,
        form_maximum=10_000,
    )
    thaw: bool = _setting(
        False,
        "Fine-tuning",
        "Trains `compact` within `compact_lite0` too, once its head was fitted in the first epoch.",
        details="Takes as long as training `compact`. Without it the head alone is fitted.",
        advanced=True,
    )
    batch_size: int = _setting(
        8,
        "Batch size",
        "Slices in one training step.",
        details="Small is better here: the network learns from the number of steps.",
        minimum=2,
        form_maximum=4096,
        advanced=True,
    )
    learning_rate: float | None = _setting(
        None,
        "Learning rate",
        "The highest learning rate, after the warm-up. If not given: 0.0005 from the weights "
        "spine, which a higher one would undo, else 0.002.",
        details="Lower it if the loss jumps or is not a number.",
        minimum=0.0,
        maximum=1.0,
        above=True,
        form_minimum=1e-8,
        step=5e-4,
        placeholder="FLOAT",
        advanced=True,
    )
    weight_decay: float = 1e-2
    warmup: float = 0.1
    class_weights: bool = _setting(
        True,
        "Class weights",
        "Gives the rarer class a larger weight, so that both contribute equally to the loss.",
    )
    line_steps: int = _setting(
        700,
        "Pretraining on synthetic lines",
        "Before it sees a label, the network `compact` learns to find thin dark lines that are "
        "drawn on its own training slices.",
        details="Only from random weights; 0 switches it off.",
        minimum=0,
        form_maximum=100_000,
        step=50,
        unit="batches",
        zero_meaning="off",
        advanced=True,
    )
    places: bool = _setting(
        False,
        "Places of fractures",
        "Teach the network where fractures are, if the data set marks them with boxes or masks.",
        details="Marks of some slices will do. Boxes are read from boxes.csv, masks from images "
        "with the names of the slices in a folder masks.",
        advanced=True,
    )
    early_stopping: bool = _setting(
        False,
        "Early stopping",
        "Stop a fold when the loss on patients held out of its own training slices no longer "
        "improves.",
        details="The slices of the fold that is evaluated are never used for it.",
    )
    patience: int = _setting(
        8,
        "Patience",
        "Epochs without improvement before early stopping.",
        minimum=1,
        form_maximum=10_000,
        unit="epochs",
        advanced=True,
    )
    workers: int = _setting(
        0,
        "Workers",
        "Folds trained at the same time on this machine; one for each core if not given.",
        minimum=0,
        zero_meaning="automatic",
    )
    seed: int = _setting(
        0,
        "Seed",
        "Decides folds, initial weights and augmentation; the same seed and workers give the "
        "same numbers.",
        minimum=0,
        maximum=2**32 - 1,
        advanced=True,
    )
    group_by: str = _setting(
        "auto",
        "Grouping",
        "What identifies a patient, so that no fold splits one: automatic, file names, or a "
        "column of labels.csv.",
        details="Automatic takes the patient column of labels.csv, then the DICOM header, then "
        "the file names.",
        placeholder="auto|file|csv:COLUMN",
        advanced=True,
    )
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            setting.validate(self.get_value(name))
        if self.group_by not in ("auto", "file") and not self.group_by.startswith("csv:"):
            raise TrainingError(f"group-by must be auto, file or csv:COLUMN, got {self.group_by!r}")
        if self.places and self.fits_head_only:
            raise TrainingError(
                f"places of fractures teach a feature map, and those of {self.network} stay as "
                "they are: choose the network compact, or leave out the places"
            )

    def get_value(self, name: str) -> Any:
        """Return the value of one of `SETTINGS`."""
        return getattr(self.preprocessing if name in _PREPROCESSING else self, name)

    @property
    def initial_weights(self) -> str:
        """What the networks start from: a name of `NETWORK_WEIGHTS` or the path of a file."""
        return self.weights or NETWORK_WEIGHTS[self.network][0]

    @property
    def highest_learning_rate(self) -> float:
        """The learning rate after the warm-up; by default it spares the weights ``spine``.

        On one fold of hard phantoms 0.001 took an AUC of 0.90 down to 0.88 and 0.0003 kept it; on
        hard slices of another generator 0.001 led from 0.96 to 0.994 and 0.0003 to 0.991.
        """
        if self.learning_rate is not None:
            return self.learning_rate
        return 5e-4 if self.initial_weights == "spine" else 2e-3

    @property
    def fits_head_only(self) -> bool:
        """Whether all backbones keep their weights, so that the folds share their features."""
        return self.network in FROZEN_NETWORKS and not (self.thaw and self.network != "lite0")

    @property
    def expected_folds(self) -> int:
        """The number of folds; the usual one while it is not decided."""
        return self.folds or DEFAULT_FOLDS

    def with_values(self, values: Mapping[str, Any]) -> TrainingSettings:
        """Return a copy with new values, by names of `SETTINGS` or of the other fields."""
        inner = {name: value for name, value in values.items() if name in _PREPROCESSING}
        own = {name: value for name, value in values.items() if name not in inner}
        return replace(self, **own, preprocessing=replace(self.preprocessing, **inner))

    def to_dict(self) -> dict[str, Any]:
        """Return all values in JSON's types; what is automatic is decided, but for the folds."""
        return {
            **asdict(self),
            "weights": self.initial_weights,
            "learning_rate": self.highest_learning_rate,
            "augmentation": self.augmentation.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainingSettings:
        """Rebuild from what `to_dict` gave, also before weights had names: None was random."""
        data = {name: value for name, value in data.items() if name not in _FORMER}
        nested = {
            "preprocessing": Preprocessing(**data["preprocessing"]),
            "augmentation": AugmentationConfig.from_dict(data["augmentation"]),
        }
        return cls(**{**data, **nested, "weights": data.get("weights") or "none"})


#: Settings of the preprocessing that a user chooses; its record lies below this room.
_PREPROCESSING: dict[str, dict[str, Any]] = {
    "size": {
        "title": "Image size",
        "help": "Side of the square model input, in pixels.",
        "details": "Larger shows finer lines and takes longer: twice the side, four times the "
        "time.",
        "minimum": 32,
        "maximum": 1024,
        "step": 16,
        "unit": "pixels",
    },
    "bone_crop": {
        "title": "Bone crop",
        "help": "Crop each slice to the bone before it is resized.",
        "details": "The fracture is then larger in the model input. Switch it off if the slices "
        "are cropped to the vertebra already.",
    },
}


def _collect_settings() -> dict[str, Setting]:
    """Read every described setting off the two dataclasses."""
    described = {f.name: dict(f.metadata) for f in fields(TrainingSettings) if f.metadata}
    defaults = {f.name: f.default for f in (*fields(TrainingSettings), *fields(Preprocessing))}
    types = get_type_hints(TrainingSettings) | get_type_hints(Preprocessing)
    return {
        name: Setting(name=name, default=defaults[name], type=types[name], **facts)
        for name, facts in (described | _PREPROCESSING).items()
    }


#: Every setting that a user can choose, by name.
SETTINGS = _collect_settings()
