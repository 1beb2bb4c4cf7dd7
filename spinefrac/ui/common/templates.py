"""HTML of the pages from the Jinja templates in ``spinefrac/ui/templates``."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from spinefrac.viz.templates import get_environment


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
        The template names a variable that `context` lacks.
    """
    return Markup(get_environment("spinefrac.ui").get_template(template).render(context))
