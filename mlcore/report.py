"""What ``manage.py evaluate --report`` and publishing draw: the same figures, the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlcore import charts, robustness
from mlcore.evaluation import Evaluation, Scored
from mlcore.robustness import Row

Points = dict[str, dict[str, float]]


def draw(folder: Path, scored: Scored, points: Points, rows: list[Row]) -> None:
    """reliability.png, risk_coverage.png and, where it was measured, robustness.png."""
    charts.reliability(scored.p_fake, scored.labels, folder / "reliability.png")
    charts.coverage(scored.p_fake, scored.labels, points, folder / "risk_coverage.png")
    if rows:
        charts.robustness(rows, folder / "robustness.png")


def write(folder: Path, found: Evaluation, scored: Scored, card: dict[str, Any], rows: list[Row]) -> None:
    """The pictures, ``report.json`` and ``report.md`` in a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    draw(folder, scored, card.get("operating_points", {}), rows)
    content = {**found.as_dict(), "robustness": [row.as_dict() for row in rows]}
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n")
    (folder / "report.md").write_text(_markdown(found, card, rows))


def _markdown(found: Evaluation, card: dict[str, Any], rows: list[Row]) -> str:
    parts = [
        f"# {card['name']} {card['version']} on {found.metrics.n:,} images",
        words(found),
        "![Reliability](reliability.png) ![Risk and coverage](risk_coverage.png)",
        sources(found),
    ]
    if rows:
        parts += [robustness.table([row.as_dict() for row in rows]), "![Robustness](robustness.png)"]
    return "\n\n".join(parts) + "\n"


def words(found: Evaluation) -> str:
    """The figures as Markdown."""
    low, high = found.interval
    lines = [
        f"| accuracy (95 % interval) | {found.metrics.accuracy:.4f} ({low:.4f} to {high:.4f}) |",
        *(
            f"| {key} | {getattr(found.metrics, key):.4f} |"
            for key in ("precision", "recall", "f1", "auroc", "ece")
        ),
        f"| got an answer (coverage) | {found.decisions.coverage:.4f} |",
        f"| wrong among those | {found.decisions.decided_error:.4f} |",
        f"| refused by the gate | {found.decisions.refused:.4f} |",
        f"| unreadable files | {len(found.unreadable)} |",
    ]
    return "\n".join(["| what | share |", "| --- | --- |", *lines])


def sources(found: Evaluation) -> str:
    """One line for each folder below REAL and FAKE."""
    head = "| source | images | accuracy (95 % interval) | answered | wrong among those | refused |"
    lines = [
        f"| {row.source} | {row.n:,} | {row.accuracy:.4f} ({row.interval[0]:.4f} to {row.interval[1]:.4f}) | "
        f"{row.decisions.coverage:.4f} | {row.decisions.decided_error:.4f} | {row.decisions.refused:.4f} |"
        for row in found.sources
    ]
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- |", *lines])
