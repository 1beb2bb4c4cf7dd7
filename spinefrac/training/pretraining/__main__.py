"""Make the weights `spine` of `compact`: ``python -m spinefrac.training.pretraining``.

Renders the phantoms, trains, measures, and writes weights and card. Whatever is there already of
slices and epochs is used, so a second call goes on where the first was stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
class Stage:
    """One training, which goes on from the weights of the stage before.

    Attributes
    ----------
    sources : tuple of PhantomSource
        Phantoms to train on.
    settings : PretrainingSettings
    """

    sources: tuple[PhantomSource, ...]
    settings: PretrainingSettings


#: The usual phantoms first, coarse and then fine, then those of every variety as well.
STAGES = (
    Stage(phantom_slices.NARROW_SOURCES, PretrainingSettings(size=160, crop=96, epochs=24)),
    Stage(
        phantom_slices.NARROW_SOURCES,
        PretrainingSettings(
            size=224, crop=128, epochs=12, whole_epochs=2, learning_rate=1.5e-3, seed=1
        ),
    ),
    Stage(
        phantom_slices.NARROW_SOURCES + phantom_slices.WIDE_SOURCES,
        PretrainingSettings(epochs=14, whole_epochs=3, learning_rate=1.5e-3, warmup=0.05, seed=2),
    ),
)


@dataclass(frozen=True)
class Plan:
    """What is rendered and trained on, stage by stage.

    Attributes
    ----------
    stages : tuple of Stage
    curve, figures : tuple of PhantomSource
        Phantoms for the curve of every stage, and for the figures of the card.
    """

    stages: tuple[Stage, ...] = STAGES
    curve: tuple[PhantomSource, ...] = phantom_slices.CURVE_SOURCES
    figures: tuple[PhantomSource, ...] = phantom_slices.FIGURE_SOURCES


def make_weights(plan: Plan, work: Path, out: Path, workers: int | None = None) -> dict[str, Any]:
    """Render, train and measure as planned; return the figures.

    Parameters
    ----------
    plan : Plan
    work : Path
        Folder of the rendered slices and the checkpoints.
    out : Path
        Folder of the weights and their card.
    workers : int, optional
        Processes that render.
    """

    def render(sources: tuple[PhantomSource, ...]) -> MaskedSlices:
        return phantom_slices.render_sources(
            work, sources, _RENDERED_SIZE, workers=workers, progress=_print_parts
        )

    weights, described = None, []
    for number, stage in enumerate(plan.stages, start=1):
        trained, history = phantom_masks.pretrain(
            render(stage.sources),
            render(plan.curve),
            stage.settings,
            initial_weights=weights,
            checkpoint_path=work / f"{_fingerprint(plan.stages[:number])}.checkpoint",
            on_epoch=_print_epoch,
        )
        weights = trained.get_weights()
        described.append(describe_stage(stage, history))
    size = plan.stages[-1].settings.size
    network = networks.build_network("compact", size)
    network.set_weights(weights)
    measured = {
        source.name: figures.measure(network, phantom_masks.resize(render((source,)), size))
        for source in plan.figures
    }
    card = {
        "network": "compact",
        "size": size,
        "generator_version": GENERATOR_VERSION,
        "stages": described,
        "figures_on": [asdict(source) for source in plan.figures],
        "figures": measured,
        "versions": collect_versions(_VERSIONS),
    }
    shipped_weights.write(out, NAME, tuple(network.get_weights()), card)
    return measured


def describe_stage(stage: Stage, history: Sequence[EpochRecord]) -> dict[str, Any]:
    """Return a stage for the card, with its curve."""
    return {
        "training": [asdict(source) for source in stage.sources],
        "settings": stage.settings.to_dict(),
        "history": [
            {"epoch": r.epoch, "loss": round(r.loss, 4), "auc": round(r.val_auc, 4)}
            for r in history
        ],
    }


def _fingerprint(stages: tuple[Stage, ...]) -> str:
    """Return what tells a checkpoint after these stages from others."""
    facts = [GENERATOR_VERSION, [describe_stage(stage, ()) for stage in stages]]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m spinefrac.training.pretraining")
    parser.add_argument("--work", type=Path, default=Path("build/pretraining"))
    parser.add_argument("--out", type=Path, default=shipped_weights.FOLDER)
    parser.add_argument(
        "--workers", type=int, help="processes that render; one a core if not given"
    )
    chosen = parser.parse_args(arguments)
    for name, values in make_weights(Plan(), chosen.work, chosen.out, chosen.workers).items():
        print(f"{name}: {json.dumps(values)}", flush=True)
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
