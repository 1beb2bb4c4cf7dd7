"""Write `examples/seven_steps.ipynb` from the script beside it: ``python docs/write_notebook.py``.

The script is in the percent format, which editors show as cells; the notebook has the same cells.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "seven_steps.py"
NOTEBOOK = SCRIPT.with_suffix(".ipynb")
_CELL = re.compile(r"^# %%( \[markdown\])?\n", re.M)


def main() -> None:
    """Write the notebook."""
    NOTEBOOK.write_text(make_notebook(SCRIPT.read_text("utf-8")), encoding="utf-8")


def make_notebook(script: str) -> str:
    """Return the notebook of a script in the percent format, in nbformat 4.5, without outputs."""
    pieces = _CELL.split(script)
    cells = [
        _make_cell(number, text.strip(), is_text=bool(mark))
        for number, (mark, text) in enumerate(zip(pieces[1::2], pieces[2::2], strict=True))
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1) + "\n"


def _make_cell(number: int, text: str, *, is_text: bool) -> dict[str, Any]:
    if is_text:
        text = re.sub(r"^# ?", "", text, flags=re.M)
    cell = {"id": f"cell-{number}", "metadata": {}, "source": text.splitlines(keepends=True)}
    if is_text:
        return {"cell_type": "markdown", **cell}
    return {"cell_type": "code", "execution_count": None, "outputs": [], **cell}


if __name__ == "__main__":
    main()
