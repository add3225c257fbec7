"""A comparison of networks as one picture (SVG), and as a page that needs nothing but itself.

The page has no script, and its content security policy allows none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from melody.errors import RenderError
from melody.extras import need
from melody.report.browser import data_address
from melody.report.page import framed, table
from melody.report.roll import image
from melody.text import for_html

_INK, _GREY, _RULE, _BAR = "#1f2937", "#6b7280", "#e5e7eb", "#2563eb"


def picture(result: Mapping[str, Any]) -> bytes:
    """Nats a note of each row with their intervals, and how they fall with the past that is read.

    Parameters
    ----------
    result
        What `melody.comparison.trials.compare` gives.

    Raises
    ------
    RenderError
        If matplotlib is not installed.
    """
    need("a picture", "matplotlib", error=RenderError)
    from matplotlib.figure import Figure

    rows = [row for row in result["rows"] if row["name"] != "unigram"]  # so far above that it would hide the others
    rows = sorted(rows, key=lambda row: float(row["test"]["value"]))
    figure = Figure(figsize=(12, 1.6 + 0.36 * max(len(rows), 7)), dpi=110, facecolor="white", layout="constrained")
    bars, curves = figure.subplots(1, 2)
    for place, row in enumerate(reversed(rows)):
        test, colour = row["test"], _BAR if "parameters" in row else _GREY
        bars.plot([test["low"], test["high"]], [place, place], color=colour, linewidth=2)
        bars.plot(test["value"], place, "o", color=colour)
        bars.plot(row.get("seeds", []), [place] * len(row.get("seeds", [])), "|", color=_INK, markersize=9)
    bars.set_yticks(range(len(rows)), [row["title"] for row in reversed(rows)])
    bars.set(xlabel="nats a note on test (95 % over pieces; each seed a stroke)")
    events = result["pasts"]["events"]
    for number, (title, nats) in enumerate(result["pasts"]["curves"].items()):
        style = ("-", "--", "-.", ":")[number // 10 % 4]
        curves.plot(events, nats, marker=".", linestyle=style, label=title, color=f"C{number % 10}")
    curves.set_xscale("log", base=2)
    curves.set_xticks(events, [str(each) for each in events])
    curves.set(xlabel="events of the past that the network reads", ylabel="nats a note")
    curves.legend(frameon=False, fontsize=8)
    for axes in (bars, curves):
        axes.grid(color=_RULE, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    return image(figure, ".svg")


def page(title: str, sentences: Sequence[str], header: Sequence[str], cells: Sequence[Sequence[str]], drawn: bytes) -> bytes:
    """The page: what was done, the table, the picture (SVG)."""
    remarks = "".join(f"<p>{for_html(each)}</p>\n" for each in sentences)
    shown = f'<img alt="The same as a picture" src="{data_address(drawn, "image/svg+xml")}">\n'
    main = f'<section class="part">\n{table(header, cells)}{shown}</section>\n'
    return framed(title, remarks, main, script="").encode()
