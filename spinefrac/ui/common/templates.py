"""HTML of the pages from the Jinja templates in ``ui/templates``: every value is escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@cache
def _environment() -> Environment:
    from spinefrac.ui.common import layout

    environment = Environment(
        loader=PackageLoader("spinefrac.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": layout.format_percent,
        "number": layout.format_number,
        "sentence": layout.to_sentence,
    }
    return environment


def render_html(template: str, **context: Any) -> Markup:
    """Return the HTML that a template makes of values.

    Parameters
    ----------
    template : str
        Path below ``spinefrac/ui/templates``, for example ``common/heading.html``.
    **context
        The template's variables. Text is escaped; a `Markup`, such as another result of this
        function, goes in as it is.

    Returns
    -------
    Markup
        A `str` to pass to `st.html`. Adding a plain `str` to it escapes that text.

    Raises
    ------
    jinja2.UndefinedError
        If the template names a variable that `context` lacks.
    """
    return Markup(_environment().get_template(template).render(context))
