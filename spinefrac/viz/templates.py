"""HTML from Jinja templates: every value is escaped unless a template marks it as safe."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from spinefrac import wording

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def get_environment(package: str) -> Environment:
    """Return the environment of the templates in the folder ``templates`` of a package.

    Parameters
    ----------
    package : str
        Import name, for example ``spinefrac.report``.

    Returns
    -------
    jinja2.Environment
        Escapes by default, and refuses a name that the template was not given. Its filters
        ``percent``, ``number``, ``percent_interval``, ``interval`` and ``sentence`` are the
        functions of `spinefrac.wording`.

    Raises
    ------
    ValueError
        The package has no such folder.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": wording.format_percent,
        "number": wording.format_number,
        "percent_interval": wording.format_percent_interval,
        "interval": wording.format_interval,
        "sentence": wording.to_sentence,
    }
    return environment
