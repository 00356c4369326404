"""Tables for people, JSON for programs, and a chart."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.figures import Figure, Figures

_BAR, _LABEL, _ROW, _GAP = 360, 330, 22, 34
_COLOURS = ("#2f6f4f", "#8a8f98")


def show(figures: Figures, console: Console) -> None:
    """Print what was measured, then how it stands against the targets."""
    table = Table(title="Medians (lowest to highest sample)", title_justify="left")
    for name in ("", "quantity", "system"):
        table.add_column(name)
    table.add_column("median", justify="right")
    table.add_column("range", justify="right", style="dim")
    bench = ""
    for figure in figures:
        if bench and figure.bench != bench:
            table.add_section()
        low, high = figure.spread
        table.add_row(
            figure.bench if figure.bench != bench else "",
            figure.quantity,
            figure.system,
            f"{number(figure.median)} {figure.unit}",
            f"{number(low)} to {number(high)}",
        )
        bench = figure.bench
    console.print(table)
    targets = Table(title="Targets", title_justify="left")
    targets.add_column("wanted")
    targets.add_column("measured", justify="right")
    targets.add_column("")
    for target in figures.targets:
        sign = "[green]met[/]" if target.met else "[yellow]not met[/]"
        targets.add_row(target.wanted, f"{number(target.value)} {target.unit}", sign)
    console.print(targets)
    for remark in figures.remarks:
        console.print(remark, style="dim", highlight=False)


def save(figures: Figures, folder: Path) -> tuple[Path, Path]:
    """Write the run as JSON and as a chart; where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    data = folder / f"{now:%Y%m%dT%H%M%SZ}.json"
    content = {
        "time": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "figures": [
            {
                "bench": figure.bench,
                "quantity": figure.quantity,
                "system": figure.system,
                "unit": figure.unit,
                "median": figure.median,
                "samples": figure.samples,
            }
            for figure in figures
        ],
        "targets": [vars(target) for target in figures.targets],
        "remarks": figures.remarks,
    }
    data.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    chart = data.with_suffix(".svg")
    chart.write_text(draw(figures))
    return data, chart


def machine() -> str:
    """The machine in a few words."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores,"
        f" Python {platform.python_version()}, load {load:.1f} at the end"
    )


def draw(figures: Figures) -> str:
    """A chart of medians as SVG: one group of bars for each quantity, the emulator first."""
    groups: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        groups.setdefault((figure.bench, figure.quantity), []).append(figure)
    parts: list[str] = []
    top = 10
    for (bench, quantity), members in groups.items():
        parts.append(_text(10, top + 15, f"{bench}: {quantity} ({members[0].unit})", "bold"))
        top += _ROW
        most = max(figure.median for figure in members) or 1.0
        for position, figure in enumerate(members):
            width = max(1.0, figure.median / most * _BAR)
            colour = _COLOURS[min(position, 1)]
            parts.append(_text(20, top + 15, figure.system))
            parts.append(
                f'<rect x="{_LABEL}" y="{top + 3}" width="{width:.1f}" height="{_ROW - 6}"'
                f' fill="{colour}"/>'
            )
            parts.append(_text(_LABEL + width + 6, top + 15, number(figure.median)))
            top += _ROW
        top += _GAP - _ROW
    width = _LABEL + _BAR + 100
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top + 10}"'
        f' font-family="sans-serif" font-size="13"><rect width="100%" height="100%"'
        f' fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _text(x: float, y: float, text: str, weight: str = "normal") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" font-weight="{weight}">{escape(text)}</text>'


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
