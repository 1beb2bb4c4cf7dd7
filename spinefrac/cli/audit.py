"""`spinefrac audit`: checks of a data set before anything is trained on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinefrac.cli import output
from spinefrac.redaction import to_printable
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
            help="Grouping rule: automatic, by file names, or by a column of labels.csv.",
        ),
    ] = "auto",
    write_groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a table path,label,patient of all slices, in which to correct the groups.",
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use the groups of this corrected table from now on, in training too.",
        ),
    ] = None,
    forget_groups: Annotated[
        bool, typer.Option("--forget-groups", help="Discard the corrected table of groups.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Rank suspected label errors by this model, which was trained on FOLDER.",
        ),
    ] = "",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Audit again even where a result is saved.")
    ] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Check FOLDER for leakage, duplicates and shortcuts, and compute its baselines."""
    from spinefrac.audit import audit_folder

    if (groups or forget_groups) and group_by != "auto":
        raise typer.BadParameter("expected --group-by auto with corrected groups; leave it out")
    _correct_groups(folder, groups, discard=forget_groups)
    with output.show_progress("reading") as report:
        result = audit_folder(folder, group_by=group_by, progress=report, fresh=fresh)
    if write_groups:
        _write_groups(result, folder, group_by, write_groups)
    if model:
        from spinefrac.audit import label_errors
        from spinefrac.store import repository

        suspects = label_errors.suspects_from_model(repository.load(model), result.fingerprint)
        result = replace(result, suspects=suspects)
    if as_json:
        output.print_json(result.to_dict())
    else:
        output.print_result(_format_report(result))


def _correct_groups(folder: Path, table: Path | None, *, discard: bool) -> None:
    """Discard the corrected groups of a folder, or save those of a table, or both in turn."""
    from spinefrac.data import group_overrides

    if discard:
        group_overrides.delete_overrides(folder)
    if table:
        count = group_overrides.save_overrides(folder, table.read_bytes())
        output.print_message(f"{table} sets the groups of {count:,} slices from now on")


def _write_groups(result: Audit, folder: Path, group_by: str, target: Path) -> None:
    """Write the table of groups to a new file."""
    from spinefrac.audit.cache import read_groups_csv
    from spinefrac.data import group_overrides
    from spinefrac.data.scan import scan

    content = read_groups_csv(result)
    if content is None:
        content = group_overrides.groups_to_csv(scan(folder, group_by=group_by, allow_scans=True))
    with target.open("xb") as stream:
        stream.write(content)
    output.print_message(f"wrote {target}")


def _format_report(result: Audit) -> str:
    """Return the result for people."""
    counts = [
        f"{FILE_PROPERTIES[kind].lower()}: "
        + ", ".join(
            f"{to_printable(value)} {sum(n.values()):,}" for value, n in list(values.items())[:6]
        )
        for kind, values in result.counts.items()
        if values
    ]
    lines = [
        f"{result.images:,} slices, {result.classes['fracture']:,} fracture and "
        f"{result.classes['normal']:,} normal, {len(result.unreadable):,} files unreadable",
        f"{result.groups:,} groups ({to_printable(result.group_rule)}), "
        f"{result.groups_with_both:,} with both classes",
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
        lines.append(f"\n[{finding.severity}] {to_printable(finding.message)}")
        lines += [f"    {to_printable(path)}" for path in finding.examples[:4]]
    if result.suspects:
        lines.append(f"\nsuspected label errors ({len(result.suspects)}), the surest first")
        lines += [
            f"    {to_printable(entry.path)} (labelled {entry.label}, quality {entry.quality:.2f})"
            for entry in result.suspects[:12]
        ]
    if notes := (*result.notes, *result.details):
        lines += ["", *map(to_printable, notes)]
    return "\n".join(lines)


def _format_baseline(base: Baseline) -> str:
    if base.auc is None:
        return "-"
    interval = f" ({base.ci[0]:.2f}-{base.ci[1]:.2f})" if base.ci else ""
    return f"{base.auc:.2f}{interval}"


def _format_number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
