"""Augmentations as YAML files: reading, with one line for every mistake, and writing.

    rotation: {range: [-15, 15], probability: 1}
    flip: {enabled: true, probability: 0.5}
    noise: 0.02

A transform that a file does not name is off. One that is given as one or two numbers has its
default probability.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

from spinefrac.errors import TrainingError
from spinefrac.training.augmentation.config import TRANSFORMS, AugmentationConfig

#: Longest text that is read, in bytes; a configuration has a few hundred.
MAX_YAML_BYTES = 64 * 1024

_YAML_HEADER = """\
# Random transforms of each training slice, drawn anew in every epoch. A range is two numbers,
# lowest and highest, of a uniform distribution; probability is the share of the epochs.
# rotation in degrees; shift as a share of the side; brightness and noise of the grey range;
# zoom and contrast relative. A transform that is not named is off.
"""


def to_yaml(config: AugmentationConfig) -> str:
    """Return a configuration as YAML that `from_yaml` reads back equal."""
    lines = []
    for name in TRANSFORMS:
        if name == "flip":
            what = f"enabled: {str(config.flip).lower()}"
        else:
            low, high = config.get_range(name)
            what = f"range: [{_format_number(low)}, {_format_number(high)}]"
        lines.append(
            f"{name}: {{{what}, probability: {_format_number(config.get_probability(name))}}}\n"
        )
    return _YAML_HEADER + "".join(lines)


def from_yaml(text: str | bytes) -> AugmentationConfig:
    """Read a configuration.

    Parameters
    ----------
    text : str or bytes
        UTF-8.

    Returns
    -------
    AugmentationConfig

    Raises
    ------
    TrainingError
        It is not YAML, or names something other than transforms with range and probability, or
        a value is outside its limits.
    """
    content = _load_yaml(text)
    if not isinstance(content, dict):
        found = {type(None): "nothing", str: "a text", list: "a list"}.get(type(content), "a value")
        raise TrainingError(f"expected lines such as 'rotation: [-15, 15]', got {found}")
    values: dict[str, Any] = {}
    for name, entry in content.items():
        if name not in TRANSFORMS:
            raise TrainingError(
                f"unknown transform {_format_value(name)}; there are {', '.join(TRANSFORMS)}"
            )
        values |= _parse_entry(name, entry)
    return AugmentationConfig.from_dict(AugmentationConfig.identity().to_dict() | values)


def _parse_entry(name: str, entry: Any) -> dict[str, Any]:
    """Return the fields of `AugmentationConfig` that one transform's entry sets."""
    what = "enabled" if name == "flip" else "range"
    if not isinstance(entry, dict):
        return {name: entry}
    allowed = (what, "probability")
    if unknown := [key for key in entry if key not in allowed]:
        raise TrainingError(f"{name} takes {what} and probability, got {_format_value(unknown[0])}")
    if what not in entry:
        raise TrainingError(f"{name} needs its {what}: give it, or leave the whole line out")
    values = {name: entry[what]}
    if "probability" in entry:
        values[f"{name}_probability"] = entry["probability"]
    return values


def _load_yaml(text: str | bytes) -> Any:
    """Return plain Python values; a duplicate key is an error instead of losing the first."""
    import yaml

    size = len(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    if size > MAX_YAML_BYTES:
        raise TrainingError(
            f"expected at most {MAX_YAML_BYTES // 1024} KB of YAML, got {size} bytes"
        )
    try:
        # A SafeLoader: it makes numbers, strings, lists and mappings only.
        return yaml.load(text, Loader=_make_loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}" if mark else ""
        raise TrainingError(f"this is no YAML{where} ({error.problem}): correct it") from None
    except (yaml.YAMLError, UnicodeError, ValueError, RecursionError) as error:
        kind = type(error).__name__
        raise TrainingError(
            f"this is no YAML of an augmentation ({kind}): write lines such as 'rotation: 15'"
        ) from None


@cache
def _make_loader() -> Any:
    """Return a loader of the core schema of YAML 1.2 (section 10.3.2).

    PyYAML's own is of YAML 1.1, where 59:59 is a number to the base of 60 and 010 is 8.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise TrainingError(f"{_format_value(twice[0])} comes twice: keep one")
        return loader.construct_mapping(node, deep=True)

    tag = "tag:yaml.org,2002:"
    Loader.add_constructor(f"{tag}map", mapping)
    for kind, (pattern, make) in _CORE_SCHEMA.items():
        Loader.add_implicit_resolver(f"{tag}{kind}", re.compile(rf"(?:{pattern})\Z"), None)
        Loader.add_constructor(f"{tag}{kind}", lambda _, node, make=make: make(str(node.value)))
    return Loader


def _parse_integer(text: str) -> int:
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


#: Kind of scalar: what it looks like, and how its value is made.
_CORE_SCHEMA: dict[str, tuple[str, Callable[[str], Any]]] = {
    "null": (r"null|Null|NULL|~|", lambda text: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _parse_integer),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
    ),
}


def _format_number(value: float) -> str:
    """Return the shortest text of a number that YAML reads back as the same number."""
    text = str(int(value)) if value == int(value) else repr(value)
    # YAML 1.1 reads 1e-05 as a string; it requires a point before the exponent.
    mantissa, e, exponent = text.partition("e")
    return text if not e or "." in mantissa else f"{mantissa}.0e{exponent}"


def _format_value(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
