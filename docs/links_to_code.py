"""Hook of MkDocs: links to files outside `docs`, such as source code, become plain text.

In a checkout these links lead somewhere; in the built site, and on the page Help, they would not.
"""

from __future__ import annotations

from typing import Any

from spinefrac.ui.help.chapters import replace_outside_links


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the text of a page, its links to files outside `docs` replaced by their labels."""
    return replace_outside_links(markdown, page.file.src_uri)
