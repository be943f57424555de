"""The picture of docs/comparison.md, drawn by matplotlib as SVG: the same bytes for the same numbers."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.detection.charts import OTHERS, OURS, STYLE, svg


def bars(names: Sequence[str], us: Sequence[float], false: Sequence[float]) -> str:
    """µs an event on a log scale, and beside it the share of windows with a false alarm."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 0.42 * len(names) + 1.2), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        colours = [OURS if name.startswith("Streamgauge") else OTHERS[0] for name in names]
        places = list(range(len(names)))[::-1]
        left.barh(places, us, color=colours, height=0.62)
        left.set_xscale("log")
        left.set_xlim(1, max(us) * 8)
        left.set_yticks(places, names)
        left.set_title("µs an event (log scale)")
        right.barh(places, false, color=colours, height=0.62)
        right.set_xlim(0, 1.15)
        right.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
        right.set_title("windows without drift that alarm")
        for place, cost, share in zip(places, us, false, strict=True):
            figures = f"{cost:,.0f}" if cost >= 100 else f"{cost:.3g}"
            left.text(cost * 1.15, place, figures, va="center", color="#333", fontsize=10)
            percent = f"{share:.1%}".replace("%", " %")
            right.text(share + 0.02, place, percent, va="center", color="#333", fontsize=10)
        for axes in (left, right):
            axes.tick_params(axis="y", length=0)
        return svg(figure)
