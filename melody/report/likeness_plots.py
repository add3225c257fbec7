"""The pictures of a model's report, as SVG: distances in floors, classes, shared runs, temperatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from melody.errors import RenderError
from melody.extras import need
from melody.report.roll import image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from melody.evaluation.likeness import Copying, Likeness
    from melody.evaluation.model_report import ModelReport
    from melody.statistics.distances import Comparison

_INK, _GREY, _RULE = "#1f2937", "#6b7280", "#e5e7eb"
_TUNES, _CORPUS = "#d97706", "#2563eb"
_MOST_FLOORS = 8  # that are drawn
_SHOWN = (
    "pitch classes from the tonic",
    "intervals",
    "note values",
    "places in the bar",
    "cadences every 4 bars",
    "last note",
)


def _figure(width: float, height: float, **grid: Any) -> tuple[Figure, Any]:
    need("a picture", "matplotlib", error=RenderError)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    axes = figure.subplots(**grid)
    for each in np.atleast_1d(axes).ravel():
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8, colors=_INK)
    return figure, axes


def svg(figure: Figure) -> bytes:
    """A figure as SVG, its text as text; the same figure gives the same bytes."""
    return image(figure, ".svg", {"svg.fonttype": "none"})


def distances(found: Likeness) -> Figure:
    """Each measure's distance in floors with its interval, the farthest on top; the band is within twice the floor."""
    rows = sorted(found.to_heldout, key=lambda each: each.times_floor)
    figure, axes = _figure(9, 0.24 * len(rows) + 0.9)
    scale = [each.floor or 1.0 for each in rows]
    middle = np.array([min(each.times_floor, _MOST_FLOORS) for each in rows])
    ends = np.clip([[each.low / s, each.high / s] for each, s in zip(rows, scale)], 0, _MOST_FLOORS)
    axes.axvspan(0, 2, color=_RULE, zorder=0)
    axes.axvline(1, color=_GREY, linewidth=1, linestyle=":")
    axes.hlines(range(len(rows)), ends[:, 0], ends[:, 1], color=_TUNES, linewidth=2, alpha=0.6)
    axes.plot(middle, range(len(rows)), "o", color=_TUNES, markersize=5)
    axes.set_yticks(range(len(rows)), [each.name for each in rows])
    axes.set(xlim=(0, max(3.0, float(ends.max(initial=0)) + 0.2)), ylim=(-0.7, len(rows) - 0.3))
    axes.set_xlabel("distance from held-out pieces; 1 is what two halves of the corpus differ by", fontsize=8)
    return figure


def classes(measures: Sequence[Comparison]) -> Figure | None:
    """The shares of the classes, tunes beside held-out pieces; None if there are none to show."""
    shown = [each for each in measures if each.name in _SHOWN]
    if not shown:
        return None
    figure, axes = _figure(9, 2.1 * -(-len(shown) // 2), nrows=-(-len(shown) // 2), ncols=2, squeeze=False)
    for each, place in zip(shown, axes.ravel()):
        kept = np.flatnonzero((each.mean > 0.002) | (each.reference_mean > 0.002))
        at = np.arange(len(kept))
        place.bar(at - 0.2, 100 * each.mean[kept], 0.4, color=_TUNES, label="tunes")
        place.bar(at + 0.2, 100 * each.reference_mean[kept], 0.4, color=_CORPUS, label="held-out")
        step = max(len(kept) // 14, 1)
        place.set_xticks(at[::step], [each.classes[n] for n in kept[::step]], rotation=45 if len(kept) > 14 else 0)
        place.set_title(f"{each.name}, %", fontsize=9, loc="left", color=_INK)
    for place in axes.ravel()[len(shown) :]:
        place.set_visible(False)
    axes[0, 0].legend(frameon=False, fontsize=8)
    return figure


def runs(tunes: Copying, heldout: Copying) -> Figure:
    """The longest run that a tune shares with a training piece: the share of tunes with so many notes or more."""
    figure, axes = _figure(9, 2.6)
    for found, colour, name in ((tunes, _TUNES, "tunes"), (heldout, _CORPUS, "held-out pieces")):
        lengths = np.sort(found.runs)
        axes.step(lengths, 100 * (1 - np.arange(len(lengths)) / len(lengths)), where="post", color=colour, label=name)
    axes.set_xscale("log")
    ticks = [8, 10, 12, 16, 24, 32, 48, 64, 128, 256]
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.minorticks_off()
    axes.set_xlim(8, max(*tunes.runs, *heldout.runs, 16))
    axes.set_xlabel("notes of the longest run shared with a training piece", fontsize=8)
    axes.set_ylabel("% as long or longer", fontsize=8)
    axes.legend(frameon=False, fontsize=8)
    return figure


def extraction(report: ModelReport) -> Figure:
    """The share of pieces that come out note for note, by the notes of the prompt."""
    figure, axes = _figure(9, 2.6)
    colours = {"training": _TUNES, "held-out": _CORPUS}
    for curve in (each for each in report.curves if each.name in colours):
        known = [(prompt, 100 * share) for prompt, share, pieces in curve.points if pieces]
        style = "o-" if curve.decoding == "greedy" else "o:"
        axes.plot(*zip(*known), style, color=colours[curve.name], markersize=4, label=f"{curve.name}, {curve.decoding}")
    axes.set_xlabel("notes of the prompt", fontsize=8)
    axes.set_ylabel("% extracted", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return figure


def temperatures(report: ModelReport) -> Figure:
    """How far the tunes are by temperature, and how long their runs from training pieces."""
    figure, (far, copied) = _figure(9, 2.6, ncols=2)
    degrees = [degree for degree, _ in report.by_temperature]
    own = report.some_own
    far.plot(degrees, [found.mean_floors for _, found in report.by_temperature], "o-", color=_TUNES)
    far.axhline(own.mean_floors, color=_GREY, linestyle="--", linewidth=1, label=f"its own {own.mean_floors:.2f}")
    far.set_title("floors from held-out pieces, on average", fontsize=9, loc="left", color=_INK)
    far.legend(frameon=False, fontsize=8)
    copied.plot(
        degrees,
        [float(np.mean(found.copying.runs)) for _, found in report.by_temperature],
        "o-",
        color=_TUNES,
        label="tunes",
    )
    copied.axhline(float(np.mean(report.heldout.runs)), color=_CORPUS, linestyle="--", linewidth=1, label="held-out pieces")
    copied.set_title("notes of the longest shared run, on average", fontsize=9, loc="left", color=_INK)
    copied.legend(frameon=False, fontsize=8)
    for axes in (far, copied):
        axes.set_xlabel("temperature", fontsize=8)
        axes.set_ylim(bottom=0)
    return figure
