"""Make the weights `spine` of `compact`: ``python -m spinefrac.training.pretraining``.

Renders the phantoms, trains, measures, and writes weights and card. Whatever is there already of
slices and epochs is used, so a second call goes on where the first was stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from spinefrac.data.phantom.plan import GENERATOR_VERSION
from spinefrac.records import EpochRecord
from spinefrac.system.versions import collect_versions
from spinefrac.training import networks, shipped_weights
from spinefrac.training.pretraining import figures, phantom_masks, phantom_slices
from spinefrac.training.pretraining.phantom_masks import PretrainingSettings
from spinefrac.training.pretraining.phantom_slices import MaskedSlices, PhantomSource

NAME = "compact-spine"
#: Side of the slices as they are rendered: the masks of thin lines stay exact.
_RENDERED_SIZE = 320
_VERSIONS = ("python", "numpy", "opencv-python-headless", "tensorflow", "keras")


@dataclass(frozen=True)
class Plan:
    """What is rendered and how it is trained on.

    Attributes
    ----------
    training, curve, figures : tuple of PhantomSource
        Phantoms to train on, for the curve, and for the figures of the card.
    settings : PretrainingSettings
    """

    training: tuple[PhantomSource, ...] = phantom_slices.TRAINING_SOURCES
    curve: tuple[PhantomSource, ...] = phantom_slices.CURVE_SOURCES
    figures: tuple[PhantomSource, ...] = phantom_slices.FIGURE_SOURCES
    settings: PretrainingSettings = field(default_factory=PretrainingSettings)


def make_weights(plan: Plan, work: Path, out: Path, workers: int | None = None) -> dict[str, Any]:
    """Render, train and measure as planned; return the figures.

    Parameters
    ----------
    plan : Plan
    work : Path
        Folder of the rendered slices and the checkpoint.
    out : Path
        Folder of the weights and their card.
    workers : int, optional
        Processes that render.
    """

    def render(sources: tuple[PhantomSource, ...]) -> MaskedSlices:
        return phantom_slices.render_sources(
            work, sources, _RENDERED_SIZE, workers=workers, progress=_print_parts
        )

    trained, history = phantom_masks.pretrain(
        render(plan.training),
        render(plan.curve),
        plan.settings,
        checkpoint_path=work / f"{NAME}-{_fingerprint(plan)}.checkpoint",
        on_epoch=_print_epoch,
    )
    size = plan.settings.size
    network = networks.build_network("compact", size)
    network.set_weights(trained.get_weights())
    measured = {
        source.name: figures.measure(network, phantom_masks.resize(render((source,)), size))
        for source in plan.figures
    }
    card = {
        "network": "compact",
        "generator_version": GENERATOR_VERSION,
        "training": [asdict(source) for source in plan.training],
        "figures_on": [asdict(source) for source in plan.figures],
        "figures": measured,
        "settings": plan.settings.to_dict(),
        "history": [
            {"epoch": r.epoch, "loss": round(r.loss, 4), "auc": round(r.val_auc, 4)}
            for r in history
        ],
        "versions": collect_versions(_VERSIONS),
    }
    shipped_weights.write(out, NAME, tuple(network.get_weights()), card)
    return measured


def _fingerprint(plan: Plan) -> str:
    """Return what tells a checkpoint of this plan from that of another."""
    facts = [
        GENERATOR_VERSION,
        [asdict(source) for source in plan.training],
        plan.settings.to_dict(),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m spinefrac.training.pretraining")
    parser.add_argument("--work", type=Path, default=Path("build/pretraining"))
    parser.add_argument("--out", type=Path, default=shipped_weights.FOLDER)
    parser.add_argument("--epochs", type=int, default=PretrainingSettings().epochs)
    parser.add_argument("--size", type=int, default=PretrainingSettings().size)
    parser.add_argument(
        "--workers", type=int, help="processes that render; one a core if not given"
    )
    chosen = parser.parse_args(arguments)
    settings = replace(PretrainingSettings(), epochs=chosen.epochs, size=chosen.size)
    measured = make_weights(Plan(settings=settings), chosen.work, chosen.out, chosen.workers)
    for difficulty, values in measured.items():
        print(f"{difficulty}: {values}", flush=True)
    return 0


def _print_parts(done: int, total: int) -> None:
    print(f"rendered {done} of {total} parts", file=sys.stderr, flush=True)


def _print_epoch(record: EpochRecord) -> None:
    print(
        f"epoch {record.epoch}: loss {record.loss:.3f}, AUC on other phantoms "
        f"{record.val_auc:.3f}, {record.seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
