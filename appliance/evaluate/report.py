"""The report folder: result.json, scores.csv, and one index.html with the plots drawn inside it."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import DatasetError
from appliance.evaluate.figures import Scores, error_rates

WIDTH, HEIGHT, EDGE = 460, 340, 46
COLOURS = ("#1b6e53", "#b3402a")
Points = Sequence[tuple[float, float]]


def prepare(folder: Path) -> None:
    """Make the folder before hours of work go into it. Raises DatasetError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "result.json").touch()
    except OSError as error:
        raise DatasetError(f"{folder}: {error.strerror}: choose another --report folder") from error


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the page."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def html(self) -> str:
        """A caption and rows; nothing where there are none."""
        if not self.rows:
            return ""
        head = "".join(f"<th>{escape(name)}" for name in self.header)
        body = "".join("<tr>" + "".join(f"<td>{escape(_cell(cell))}" for cell in row) for row in self.rows)
        return f"<h2>{escape(self.title)}</h2><table><tr>{head}{body}</table>"


def worst_tables(worst: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Table]:
    """Lists of named comparisons as tables."""
    return [
        Table(name.replace("_", " ").capitalize(), list(rows[0]), [list(row.values()) for row in rows])
        for name, rows in worst.items()
        if rows
    ]


def group_table(groups: Mapping[str, Mapping[str, Any]]) -> Table:
    """Error rates by group, with their intervals."""
    header = ["group", "genuine", "impostor", "fnmr", "fnmr_95", "fmr", "fmr_95"]
    rows = [[name, *(found[key] for key in header[1:])] for name, found in groups.items()]
    return Table("By group, at the one threshold that all share (95 % intervals)", header, rows)


def write(
    folder: Path,
    title: str,
    summary: dict[str, Any],
    rows: Sequence[Sequence[Any]],
    plots: Sequence[str],
    *,
    tables: Sequence[Table] = (),
) -> None:
    """`rows`: the first is the header of scores.csv; `plots`: SVG."""
    (folder / "result.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    with (folder / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    shown = {key: value for key, value in summary.items() if not (key in ("groups", "worst") and tables)}
    facts = "".join(f"<tr><th>{escape(key)}<td>{escape(_words(value))}" for key, value in shown.items())
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        "<style>body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "th{text-align:left;vertical-align:top;padding-right:1.5rem;font-weight:600}"
        "td{font-family:monospace;padding-right:1.5rem;overflow-wrap:anywhere}svg{max-width:100%}</style>"
        f"<h1>{escape(title)}</h1>{''.join(plots)}<table>{facts}</table>{''.join(table.html() for table in tables)}"
    )
    (folder / "index.html").write_text(page, encoding="utf-8")


def det_plot(genuine: Scores, impostor: Scores, names: tuple[str, str] = ("FMR", "FNMR")) -> str:
    """Detection error trade-off: FNMR over FMR (or what `names` say), both logarithmic."""
    _, fmr, fnmr = error_rates(genuine, impostor)
    low = 0.5 / max(len(genuine), len(impostor), 1)
    axes = _Axes(names[0], names[1], (np.log10(low), 0.0), (np.log10(low), 0.0), decades=True)
    points = [(float(np.log10(max(x, low))), float(np.log10(max(y, low)))) for x, y in zip(fmr, fnmr, strict=True)]
    return axes.svg([(points, COLOURS[0], "")])


def score_plot(genuine: Scores, impostor: Scores, names: tuple[str, str], low: float = -1.0) -> str:
    """Both histograms, each as a share of its kind."""
    edges = np.linspace(low, 1.0, 61)
    curves = []
    for scores, colour, name in zip((genuine, impostor), COLOURS, names, strict=True):
        share = np.histogram(scores, edges)[0] / max(len(scores), 1)
        middles = (edges[:-1] + edges[1:]) / 2
        curves.append((list(zip(middles.tolist(), share.tolist(), strict=True)), colour, name))
    top = max(y for points, _, _ in curves for _, y in points) or 1.0
    return _Axes("score", "share", (low, 1.0), (0.0, top)).svg(curves)


class _Axes:
    """A frame with ticks, into which curves are drawn."""

    def __init__(
        self, x_name: str, y_name: str, x: tuple[float, float], y: tuple[float, float], decades: bool = False
    ) -> None:
        self._names = (x_name, y_name)
        self._x, self._y = x, y
        self._decades = decades

    def svg(self, curves: Sequence[tuple[Points, str, str]]) -> str:
        parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" font-size="12" font-family="system-ui">']
        parts += [self._tick(value, True) for value in self._ticks(self._x)]
        parts += [self._tick(value, False) for value in self._ticks(self._y)]
        for row, (points, colour, name) in enumerate(curves):
            path = " ".join(f"{self._at_x(x):.1f},{self._at_y(y):.1f}" for x, y in points)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts.append(f'<text x="{EDGE + 10}" y="{EDGE + 6 + 16 * row}" fill="{colour}">{escape(name)}</text>')
        x_name, y_name = self._names
        parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">{x_name}</text>')
        parts.append(f'<text x="{EDGE}" y="{EDGE - 14}" text-anchor="middle">{y_name}</text></svg>')
        return "".join(parts)

    def _ticks(self, span: tuple[float, float]) -> list[float]:
        if self._decades:
            return [float(value) for value in range(int(np.ceil(span[0])), int(span[1]) + 1)]
        return [span[0] + (span[1] - span[0]) * step / 4 for step in range(5)]

    def _tick(self, value: float, across: bool) -> str:
        word = f"1e{value:.0f}" if self._decades else f"{value:.2g}"
        if across:
            x = self._at_x(value)
            return (
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{EDGE}" y2="{HEIGHT - EDGE}" stroke="#ddd"/>'
                f'<text x="{x:.1f}" y="{HEIGHT - EDGE + 16}" text-anchor="middle">{word}</text>'
            )
        y = self._at_y(value)
        return (
            f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{EDGE - 6}" y="{y + 4:.1f}" text-anchor="end">{word}</text>'
        )

    def _at_x(self, value: float) -> float:
        low, high = self._x
        return float(EDGE + (value - low) / (high - low) * (WIDTH - 2 * EDGE))

    def _at_y(self, value: float) -> float:
        low, high = self._y
        return float(HEIGHT - EDGE - (value - low) / (high - low) * (HEIGHT - 2 * EDGE))


def _words(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_words(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        numbers = all(isinstance(entry, float | int) for entry in value)
        return (" to " if numbers else ", ").join(_words(entry) for entry in value) or "none"
    return "none" if value is None else str(value)


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else _words(value)
