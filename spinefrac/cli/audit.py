"""`spinefrac audit`: what a folder of slices can show, before anything is trained on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinefrac.cli import output
from spinefrac.wording import AUDIT_ADVICE, AUDIT_BASELINES, FILE_PROPERTIES

if TYPE_CHECKING:
    from spinefrac.audit.report import Audit, Baseline


def audit(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Labelled slices.", show_default=False)
    ],
    group_by: Annotated[
        str,
        typer.Option(
            metavar="auto|file|csv:COLUMN",
            help="What makes a patient: found by itself, from file names, or a column of "
            "labels.csv.",
        ),
    ] = "auto",
    write_groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write path,label,patient of every slice, to correct the groups in it.",
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Take the groups from this corrected table, from now on and in training, too.",
        ),
    ] = None,
    forget_groups: Annotated[
        bool, typer.Option("--forget-groups", help="Find the groups by themselves again.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Rank label errors by this saved model, which was trained on FOLDER.",
        ),
    ] = "",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Look again even where a result is kept.")
    ] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Say what is in FOLDER, what leaks, and what a trivial model already gets on it."""
    from spinefrac.audit import audit_folder as look
    from spinefrac.audit.cache import read_groups_csv
    from spinefrac.data import group_overrides
    from spinefrac.data.scan import scan

    if (groups or forget_groups) and group_by != "auto":
        raise typer.BadParameter("expected --group-by auto with corrected groups; leave it out")
    if forget_groups:
        group_overrides.delete_overrides(folder)
    if groups:
        named = group_overrides.save_overrides(folder, groups.read_bytes())
        output.print_message(f"took the groups of {named:,} slices from {groups}")
    with output.show_progress("reading") as report:
        result = look(folder, group_by=group_by, progress=report, fresh=fresh)
    if write_groups:
        content = read_groups_csv(result) or group_overrides.groups_to_csv(
            scan(folder, group_by=group_by)
        )
        with write_groups.open("xb") as stream:
            stream.write(content)
        output.print_message(f"wrote {write_groups}")
    if model:
        from spinefrac.audit import label_errors
        from spinefrac.store import repository

        doubted = label_errors.suspects_from_model(repository.load(model), result.fingerprint)
        result = replace(result, suspects=doubted)
    if as_json:
        output.print_json(result.to_dict())
    else:
        output.print_result(_format_report(result))


def _format_report(result: Audit) -> str:
    """Return the result for people."""
    counts = [
        f"{FILE_PROPERTIES[kind].lower()}: "
        + ", ".join(f"{value} {sum(n.values()):,}" for value, n in list(values.items())[:6])
        for kind, values in result.counts.items()
        if values
    ]
    lines = [
        f"{result.images:,} slices, {result.classes['fracture']:,} fracture and "
        f"{result.classes['normal']:,} normal, {len(result.unreadable):,} files unreadable",
        f"{result.groups:,} groups ({result.group_rule}), {result.groups_with_both:,} with both "
        "classes",
        *counts,
        f"duplicates: {result.exact_duplicates:,} exact, {result.near_duplicates:,} near pairs, "
        f"{result.augmented_copies:,} augmented copies",
        "",
        output.format_table(
            [
                ("baseline, AUC", "random folds", "grouped folds"),
                (
                    AUDIT_BASELINES["thumbnail"],
                    _format_baseline(result.naive_baseline),
                    _format_baseline(result.grouped_baseline),
                ),
                (
                    AUDIT_BASELINES["features"],
                    _format_baseline(result.feature_baselines["naive"]),
                    _format_baseline(result.feature_baselines["grouped"]),
                ),
            ]
        ),
        f"leakage gap (within groups) {_format_number(result.leak_gap)}, shuffled labels "
        f"{_format_number(result.shuffled_label_auc)}",
        "",
        f"verdict {result.verdict}: {AUDIT_ADVICE[result.verdict]}",
    ]
    for finding in result.findings:
        lines.append(f"\n[{finding.severity}] {finding.message}")
        lines += [f"    {path}" for path in finding.examples[:4]]
    if result.suspects:
        lines.append(f"\nsuspected label errors ({len(result.suspects)}), the surest first")
        lines += [
            f"    {entry.path} (labelled {entry.label}, quality {entry.quality:.2f})"
            for entry in result.suspects[:12]
        ]
    return "\n".join(lines)


def _format_baseline(base: Baseline) -> str:
    if base.auc is None:
        return "-"
    interval = f" ({base.ci[0]:.2f}-{base.ci[1]:.2f})" if base.ci else ""
    return f"{base.auc:.2f}{interval}"


def _format_number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
