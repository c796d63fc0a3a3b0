"""One series over time as an inline SVG figure.

Rows and jobs share no scale, so each has a figure of its own; small ones, so that their text
stays readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter

from jobferry.reporting.formatting import compact, duration
from jobferry.reporting.html.markup import Html, join, tag

MAX_PLOT_POINTS = 240
"""More than the drawing has room for; longer series are thinned out."""

_WIDTH, _HEIGHT = 360, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 330, 10, 156
"""The frame of the curve inside the drawing; around it stand the labels."""

Series = Sequence[tuple[float, float]]

_TIME_STEPS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
_DAY = 86_400


def plot(title: str, summary: str, series: Series, *, stepped: bool) -> Html:
    """A series of (seconds since the start, value), in order and not empty, as a figure.

    `stepped` holds each value until the next; otherwise a line joins them. One value is a dot.
    """
    times = _ticks_of_time(series[-1][0])
    values = _ticks_of_count(max(value for _, value in series))

    def x(seconds: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * seconds / times[-1]

    def y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * value / values[-1]

    drawing = tag(
        "svg",
        *(_grid_line(y(value), compact(value)) for value in values),
        *(_time_mark(x(seconds), duration(seconds)) for seconds in times),
        _svg_text((_LEFT + _RIGHT) / 2, _HEIGHT - 6, "time since the start", "middle", "name"),
        _curve([(x(seconds), y(value)) for seconds, value in _thinned(series)], stepped=stepped),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{title} over time: {summary}",
    )
    caption = tag("figcaption", tag("strong", title), f" · {summary}")
    return tag("figure", caption, drawing)


def _curve(points: Series, *, stepped: bool) -> Html:
    """A line with the area below it, and a dot where it ends."""
    path = [points[0]]
    for (_, before), (at, value) in pairwise(points):
        path += [(at, before), (at, value)] if stepped else [(at, value)]
    line = " ".join(f"{px:.1f},{py:.1f}" for px, py in path)
    (start, _), (end, height) = path[0], path[-1]
    area = f"{start:.1f},{_BOTTOM} {line} {end:.1f},{_BOTTOM}"
    return join(
        tag("polygon", points=area, class_="area"),
        tag("polyline", points=line, class_="line"),
        tag("circle", cx=f"{end:.1f}", cy=f"{height:.1f}", r=3.5, class_="dot"),
    )


def _grid_line(py: float, label: str) -> Html:
    line = tag("line", x1=_LEFT, x2=_RIGHT, y1=f"{py:.1f}", y2=f"{py:.1f}", class_="grid")
    return join(line, _svg_text(_LEFT - 6, py + 4, label, "end"))


def _time_mark(px: float, label: str) -> Html:
    mark = tag("line", x1=f"{px:.1f}", x2=f"{px:.1f}", y1=_BOTTOM, y2=_BOTTOM + 4, class_="mark")
    return join(mark, _svg_text(px, _BOTTOM + 17, label, "middle"))


def _svg_text(px: float, py: float, text: str, anchor: str, kind: str = "label") -> Html:
    return tag("text", text, x=f"{px:.1f}", y=f"{py:.1f}", text_anchor=anchor, class_=kind)


def _thinned(series: Series) -> list[tuple[float, float]]:
    """The first, the last, and the lowest and highest of each stretch."""
    if len(series) <= MAX_PLOT_POINTS:
        return list(series)
    size = math.ceil(2 * len(series) / MAX_PLOT_POINTS)
    kept = [series[0]]
    for start in range(0, len(series), size):
        stretch = series[start : start + size]
        kept += sorted({min(stretch, key=itemgetter(1)), max(stretch, key=itemgetter(1))})
    return [*kept, series[-1]]


def _ticks_of_count(top: float) -> list[float]:
    """Two to five round whole numbers from 0 up to `top` or just above."""
    step = 1
    while 4 * step < top:
        step = _next_round(step)
    return _ticks(top, step)


def _next_round(step: int) -> int:
    """1, 2, 5, 10, 20, 50 …"""
    return step * 5 // 2 if str(step).startswith("2") else step * 2


def _ticks_of_time(top: float) -> list[float]:
    """Two to five round durations from 0 up to `top` or just above."""
    days = _DAY
    while 4 * days < top:
        days *= 2
    step = next((step for step in _TIME_STEPS if 4 * step >= top), days)
    return _ticks(top, step)


def _ticks(top: float, step: float) -> list[float]:
    intervals = max(1, math.ceil(top / step))
    return [step * index for index in range(intervals + 1)]
