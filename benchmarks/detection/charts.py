"""The pictures of docs/detection.md, drawn by matplotlib as SVG: the same bytes for the same numbers."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from streamgauge.schemas.batch import Floats

OURS, _OURS_TOO, OTHERS = "#1f6fb2", "#6aa9dc", ("#c2571a", "#7a4fa3", "#4b8b3b")
STYLE = {
    "svg.hashsalt": "streamgauge",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888",
    "axes.titlelocation": "left",
    "axes.titlesize": 12.5,
    "axes.titlepad": 12,
    "xtick.color": "#444",
    "ytick.color": "#444",
    "legend.frameon": False,
}


def false_alerts(counts: Mapping[str, int], told: Mapping[str, str]) -> str:
    """False alerts by method, as bars on a log scale, with what each found beside it."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.3), layout="constrained")
        axes = figure.subplots()
        names = list(counts)[::-1]
        values = [max(counts[name], 0.5) for name in names]
        axes.barh(names, values, color=[_colour(name) for name in names], height=0.62)
        axes.set_xscale("log")
        axes.set_xlim(0.4, max(values) * 30)
        for place, name in enumerate(names):
            text = f"{counts[name]:,} false; {told[name]}"
            axes.text(values[place] * 1.15, place, text, va="center", color="#333", fontsize=10)
        axes.set_title("False alerts from 1,000 streams of which 20 move")
        axes.set_xlabel("false alerts in 60 windows (log scale)")
        axes.tick_params(axis="y", length=0)
        return svg(figure)


def delays(shifts: Sequence[float], by_method: Mapping[str, Sequence[float]], title: str) -> str:
    """Median delays against the size of a shift, both on log scales."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 4.0), layout="constrained")
        axes = figure.subplots()
        for name, found in by_method.items():
            seen = np.isfinite(np.array(found))
            style = "-" if name.startswith("ours") else "--"
            x, y = np.array(shifts)[seen], np.array(found)[seen]
            axes.plot(x, y, style, color=_colour(name), linewidth=2, marker="o", markersize=4, label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(list(shifts), [f"{shift:g}" for shift in shifts])
        ticks = (50, 100, 200, 500, 1_000, 2_000, 5_000)
        axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.grid(axis="y", color="#e5e5e5")
        axes.set_axisbelow(True)
        axes.set_title(title)
        axes.set_xlabel("shift, in standard deviations")
        axes.set_ylabel("events until half of the streams were told")
        axes.legend()
        return svg(figure)


def courses(acting: Mapping[str, Floats], evidence: Mapping[str, Floats], look: int) -> str:
    """How evidence of one stream goes while a change comes slowly, or comes and goes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 4.2), layout="constrained")
        for axes, (name, course) in zip(
            figure.subplots(len(acting), 1, sharex=True), acting.items(), strict=True
        ):
            at = np.arange(len(course))
            axes.fill_between(at, 1e-9, 10, where=course > 0, color="#f3dccd", linewidth=0)
            looks = look * np.arange(1, len(evidence[name]) + 1)
            axes.plot(looks, np.maximum(evidence[name], 1e-9), color=OURS, linewidth=1)
            axes.axhline(1.0, color=OTHERS[0], linewidth=1, linestyle="--")
            axes.set_yscale("log")
            axes.set_ylim(1e-5, 10)
            axes.set_yticks([1e-4, 1e-2, 1])
            axes.minorticks_off()
            axes.set_title(name, fontsize=11)
            axes.set_ylabel("evidence")
        axes.set_xlim(0, len(course))
        axes.set_xlabel("events (shaded: something has changed; dashed: alarm, and a new start)")
        return svg(figure)


def _colour(name: str) -> str:
    if name.startswith("ours"):
        return _OURS_TOO if name.endswith("fleet") else OURS
    return OTHERS[0] if name.startswith("KS") else OTHERS[1] if name == "ADWIN" else OTHERS[2]


def svg(figure: Any) -> str:
    """The picture without the time of its making."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
