"""Change saved models without pause, for tests that kill this or run several at once.

``churn.py SOURCE`` reads commands from stdin, a word and numbers a line. For each it forks a
process that does the work, says its id, and later how it ended. Forked, since importing takes
longer than what is to be killed.
"""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from spinefrac.errors import ModelError
from spinefrac.store import card as cards
from spinefrac.store import evaluations, manage, repository, saving, trash  # noqa: F401 - before the fork

SOURCE = Path(sys.argv[1]) if __name__ == "__main__" else Path()


def name() -> str:
    """The name that the model has now."""
    return next(folder.name for folder in repository.list_folders())


def rename() -> Iterator[None]:
    for turn in count():
        manage.rename(name(), f"name-{turn % 3}")
        yield


def delete() -> Iterator[None]:
    while True:
        deleted = manage.delete(name())
        # One step, so that the others are not left without a model when this one ends first.
        manage.restore(deleted.id, "again")
        yield


def annotate() -> Iterator[None]:
    for turn in count():
        manage.annotate(name(), note="x" * (turn % 1000), tags=[str(turn)])
        yield


def save() -> Iterator[None]:
    """Everything is the real thing but the export, whose files are copied."""

    def copy_parts(model_id: str, folder: Path) -> None:
        card = cards.parse((SOURCE / repository.CARD_FILE).read_bytes())
        for part in card.files:
            content = (SOURCE / part).read_bytes()
            with (folder / part).open("wb") as file:
                for start in range(0, len(content), 4096):
                    file.write(content[start : start + 4096])
                    file.flush()
        own = replace(card, id=model_id)
        (folder / repository.CARD_FILE).write_bytes(cards.dump(own))

    for turn in count():
        model_id = f"saved-{os.getpid()}-{turn}"
        with saving.create_model_folder(model_id) as folder:
            copy_parts(model_id, folder)
        yield


def duplicate() -> Iterator[None]:
    for turn in count():
        manage.duplicate("kept", f"copy-{os.getpid()}-{turn}")
        yield


def free() -> Iterator[None]:
    for turn in count():
        manage.duplicate("kept", f"copy-{os.getpid()}-{turn}")
        yield
        manage.purge([manage.delete(f"copy-{os.getpid()}-{turn}")])
        yield


def predict() -> Iterator[None]:
    """Open whatever model there is and answer with it."""
    import numpy as np

    from spinefrac.inference.predictor import get_predictor

    size = repository.open_folder(SOURCE).preprocessing.size
    inputs = np.random.default_rng(0).integers(0, 255, (2, size, size)).astype(np.uint8)
    while True:
        logits, _ = get_predictor(name()).run(inputs)
        assert np.isfinite(logits).all()
        yield


#: Parts of the messages that are allowed when others change the models at the same time.
SAID = (
    "was deleted",
    "is now named",
    "no saved model",
    "in use",
    "can be restored",
    "try again",
)


#: How often an action has to go well.
LEAST = 4


def work(action: Callable[[], Iterator[None]], seconds: float) -> None:
    """Do `action` again and again; print how often it went well and what was said if not."""
    until, said = time.monotonic() + seconds, Counter()
    steps = action()
    # On a busy machine it takes longer until each has had its turn a few times.
    while time.monotonic() < until or (said["done"] < LEAST and time.monotonic() < until + 60):
        try:
            next(steps)
            said["done"] += 1
        except ModelError as error:
            said[next((s for s in SAID if s in str(error)), str(error))] += 1
            steps = action()
        except StopIteration:  # no model at this moment
            said["nothing there"] += 1
            steps = action()
        except RuntimeError as error:
            if not isinstance(error.__cause__, StopIteration):
                raise
            said["nothing there"] += 1
            steps = action()
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    print("ready", flush=True)
    for line in sys.stdin:
        word, seconds = line.split()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            code = 1
            try:
                work(globals()[word], float(seconds))
                code = 0
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)
