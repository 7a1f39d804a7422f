"""The memory of both processes over the time of a soak, with its troubles, as an SVG."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from soak.record import PROCESSES, Record

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 50, 710, 30, 270
STROKES = {"main": "#0969da", "vision": "#cf222e"}
TROUBLES = {"camera": "#bf8700", "broker": "#8250df", "reload": "#1a7f37"}
MB_BETWEEN_LINES = 20


def draw(record: Record) -> str:
    """The whole picture."""
    body = "\n".join([*_grid(record), *_troubles(record), *_lines(record), *_legend()])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _top_mb(record: Record) -> float:
    """The upper end of the scale, a whole line above the highest sample."""
    return (max(sample.rss_mb for sample in record.samples) // MB_BETWEEN_LINES + 1) * MB_BETWEEN_LINES


def _x(record: Record, at_s: float) -> float:
    return LEFT + (at_s - record.began_s) / (record.ended_s - record.began_s) * (RIGHT - LEFT)


def _y(record: Record, mb: float) -> float:
    return BOTTOM - mb / _top_mb(record) * (BOTTOM - TOP)


def _grid(record: Record) -> Iterator[str]:
    for mb in range(0, int(_top_mb(record)) + 1, MB_BETWEEN_LINES):
        y = _y(record, mb)
        yield f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#d0d7de" stroke-width="0.5"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{mb}</text>'
    minutes = (record.ended_s - record.began_s) / 60
    for minute in range(0, int(minutes) + 1, max(1, round(minutes / 15))):
        x = _x(record, record.began_s + 60 * minute)
        yield f'<text x="{x:.1f}" y="{BOTTOM + 16}" text-anchor="middle">{minute}</text>'
    yield f'<text x="4" y="{TOP - 14}">RSS, MB</text>'
    yield f'<text x="{RIGHT}" y="{HEIGHT - 2}" text-anchor="end">minutes</text>'


def _troubles(record: Record) -> Iterator[str]:
    for at_s, kind in record.troubles:
        x = _x(record, at_s)
        yield f'<path d="M{x:.1f} {TOP}V{BOTTOM}" stroke="{TROUBLES[kind]}" stroke-width="0.7" stroke-dasharray="3 3"/>'


def _lines(record: Record) -> Iterator[str]:
    for process in PROCESSES:
        points = " ".join(f"{_x(record, one.at_s):.1f},{_y(record, one.rss_mb):.1f}" for one in record.of(process))
        yield f'<polyline points="{points}" fill="none" stroke="{STROKES[process]}" stroke-width="1.2"/>'


def _legend() -> Iterator[str]:
    x = LEFT + 40
    for name, colour in (STROKES | TROUBLES).items():
        dashes = ' stroke-dasharray="3 3"' if name in TROUBLES else ""
        yield f'<path d="M{x} {TOP - 18}h18" stroke="{colour}" stroke-width="2"{dashes}/>'
        yield f'<text x="{x + 23}" y="{TOP - 14}">{escape(name)}</text>'
        x += 110
