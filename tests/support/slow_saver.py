"""Save a model slowly, for a test that kills it: ``slow_saver.py SOURCE NAME SECONDS``.

Everything is the real thing but the export, whose files are copied from a saved model in
small pieces, so that a save lasts as long as wished and does not need TensorFlow.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

from spinefrac.store import card as cards
from spinefrac.store import repository, saving

PIECES = 20


def copy_parts(source: Path, folder: Path, model_id: str, seconds: float) -> None:
    card = cards.parse((source / repository.CARD_FILE).read_bytes())
    own_card = cards.dump(replace(card, id=model_id))
    pause = seconds / (PIECES * (len(card.files) + 1))
    for name in (*card.files, repository.CARD_FILE):
        content = own_card if name == repository.CARD_FILE else (source / name).read_bytes()
        length = -(-len(content) // PIECES)
        with (folder / name).open("wb") as file:
            for start in range(0, len(content), length):
                file.write(content[start : start + length])
                file.flush()
                time.sleep(pause)


if __name__ == "__main__":
    source, name, seconds = sys.argv[1:]
    print("ready", flush=True)
    with saving.create_model_folder(name) as folder:
        copy_parts(Path(source), folder, name, float(seconds))
