"""The pictures of docs/statistics.md, drawn from simulations: `python -m benchmarks.pictures` writes them.

SVG by hand, so that the project needs no plotting library for three pictures.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamgauge.detectors.divergence import psi, psi_noise_level, shares
from streamgauge.detectors.intervals import wilson

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 320, 60, 20, 40, 50
_COLOURS = ("#1f6fb2", "#c2571a", "#4b8b3b", "#7a4fa3")


@dataclass(frozen=True, slots=True)
class Line:
    """Points in the units of the axes, by rising x; `band` are the low and the high edge around them."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float]] = ()
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """`x` ticks lie on a log scale, `y` ticks on a linear one."""

    title: str
    x_name: str
    x: Sequence[int]
    y: Sequence[float]
    lines: Sequence[Line]
    legend_y: int = _TOP + 12

    def svg(self) -> str:
        """The whole picture, the same text for the same numbers."""
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'font-family="sans-serif" font-size="12">',
            f"<title>{self.title}</title>",
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
            f'<text x="{_LEFT}" y="22" font-size="14" fill="#222">{self.title}</text>',
        ]
        parts += [
            f'<text x="{self._x(x)}" y="{_HEIGHT - 28}" text-anchor="middle">{x:,}</text>' for x in self.x
        ]
        for y in self.y:
            at = self._y(y)
            parts.append(f'<path d="M{_LEFT} {at}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
            parts.append(f'<text x="{_LEFT - 8}" y="{at + 4}" text-anchor="end">{y:g}</text>')
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        parts.append(f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{self.x_name}</text>')
        for number, line in enumerate(self.lines):
            parts += self._line(line, _COLOURS[number], self.legend_y + 17 * number)
        return "\n".join([*parts, "</svg>\n"])

    def _line(self, line: Line, colour: str, legend_y: int) -> list[str]:
        parts = []
        if line.band:
            xs = [x for x, _ in line.points]
            low = [(x, edge) for x, (edge, _) in zip(xs, line.band, strict=True)]
            high = [(x, edge) for x, (_, edge) in zip(xs, line.band, strict=True)]
            parts.append(f'<path d="{self._path([*low, *high[::-1]])}Z" fill="{colour}" opacity="0.2"/>')
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        parts.append(
            f'<path d="{self._path(line.points)}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        )
        x = _WIDTH - _RIGHT - 6
        parts.append(f'<text x="{x}" y="{legend_y}" text-anchor="end" fill="{colour}">{line.name}</text>')
        return parts

    def _path(self, points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{self._x(x)} {self._y(y)}" for x, y in points)

    def _x(self, x: float) -> float:
        low, high = math.log(self.x[0]), math.log(self.x[-1])
        return round(_LEFT + (math.log(x) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT), 1)

    def _y(self, y: float) -> float:
        low, high = self.y[0], self.y[-1]
        return round(_HEIGHT - _BOTTOM - (y - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM), 1)


def width_of_an_interval() -> Chart:
    """How sure a share is, by how many events it rests on."""
    sizes = [round(10 ** (1 + step / 10)) for step in range(31)]
    lines = []
    for p in (0.9, 0.5):
        band = [wilson(p * n, n) for n in sizes]
        lines.append(Line(f"a share of {p:g}, and its 95 % interval", [(n, p) for n in sizes], band))
    ticks = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    return Chart(
        "How sure an accuracy is", "labelled events in the window", (10, 100, 1000, 10000), ticks, lines, 235
    )


def psi_without_drift() -> Chart:
    """How large PSI is where nothing has changed: ten bins at the deciles of 5,000 reference rows."""
    rng, runs, rows = np.random.default_rng(6), 4_000, 5_000
    reference = np.full(10, rows // 10)
    sizes = (100, 150, 200, 300, 500, 1_000, 2_000, 5_000)
    found = {}
    for n in sizes:
        # The deciles are the reference's, so the true shares of the bins are only near a tenth each.
        drawn = rng.multinomial(n, rng.dirichlet(reference, runs))
        values = psi(shares(reference), shares(drawn))
        found[n] = np.quantile(values, [0.5, 0.95])
    lines = [
        Line("95 % of windows without drift lie below", [(n, found[n][1]) for n in sizes]),
        Line("psi_noise_level", [(n, float(psi_noise_level(10, rows, n))) for n in sizes], dashed=True),
        Line("median without drift", [(n, found[n][0]) for n in sizes]),
        Line("“PSI > .1 is drift”", [(n, 0.1) for n in sizes], dashed=True),
    ]
    ticks = (0.0, 0.05, 0.1, 0.15, 0.2)
    return Chart(
        "PSI where nothing has changed", "events in the window", (100, 500, 1000, 5000), ticks, lines
    )


def largest_gap_of_equal_groups() -> Chart:
    """How large max − min of selection rates is on average where all groups have the same rate, .5."""
    rng, sizes, lines = np.random.default_rng(8), (50, 100, 200, 500, 1_000, 2_000, 5_000), []
    for groups in (8, 4, 2):
        gaps = [float(np.ptp(rng.binomial(n, 0.5, size=(20_000, groups)) / n, axis=1).mean()) for n in sizes]
        lines.append(Line(f"{groups} groups", list(zip(sizes, gaps, strict=True))))
    ticks = (0.0, 0.05, 0.1, 0.15, 0.2)
    return Chart(
        "Mean difference between groups that are treated alike", "events in each group", (50, 500, 5000),
        ticks, lines,
    )  # fmt: skip


#: File name → what draws it.
PICTURES: dict[str, Callable[[], Chart]] = {
    "width-of-an-interval.svg": width_of_an_interval,
    "psi-without-drift.svg": psi_without_drift,
    "largest-gap-of-equal-groups.svg": largest_gap_of_equal_groups,
}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw().svg())
        print(f"docs/pictures/{name}")
