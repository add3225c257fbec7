"""Settings that were tried, and a learning rate that rose, as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from melody.errors import RenderError
from melody.extras import need
from melody.report.roll import image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _GREY, _RULE, _BAR, _BEST = "#1f2937", "#9ca3af", "#e5e7eb", "#2563eb", "#d97706"
_BY_FACTORS = ("learning_rate", "weight_decay")
_IN_STEPS = ("layers", "batch_size", "window", "cell")  # each value has a place of its own
_SHOWN = 6  # settings that have a panel of their own


def tuned_picture(
    trials: Sequence[Mapping[str, Any]], importances: Mapping[str, float], best: Mapping[str, Any], suffix: str = ".png"
) -> bytes:
    """How much each setting matters, and how good the trials were by it.

    Parameters
    ----------
    trials
        Of each its settings by name, 'nats', and 'whole', whether it was not stopped early.
    importances
        Of each setting its share of the variance; may be empty.
    best
        The settings of the best trial.
    suffix
        '.png' or '.svg'.

    Raises
    ------
    RenderError
        If matplotlib is not installed.
    """
    need("a picture", "matplotlib", error=RenderError)
    from matplotlib.figure import Figure

    names = list(importances) or list(best)
    figure = Figure(figsize=(13, 6.4), dpi=110, facecolor="white", layout="constrained")
    grid = figure.add_gridspec(2, 4)
    bars = figure.add_subplot(grid[:, 0])
    shares = [importances.get(name, 0.0) for name in reversed(names)]
    bars.barh([name.replace("_", " ") for name in reversed(names)], shares, color=_BAR)
    bars.set_xlim(0, max(*shares, 0.01) * 1.05)
    bars.set_title("share of the variance" if importances else "too few trials to tell", loc="right", fontsize=10)
    whole = [each["nats"] for each in trials if each["whole"]]
    top = max(whole) + 0.5 * (max(whole) - min(whole)) + 0.05
    for place, name in enumerate(names[:_SHOWN]):
        axes = figure.add_subplot(grid[place // 3, 1 + place % 3])
        _panel(axes, [{**each, "nats": min(each["nats"], top)} for each in trials], best, name)
        axes.set_ylim(min(whole) - 0.05 * (top - min(whole)), top + 0.05 * (top - min(whole)))
    for axes in figure.axes:
        axes.grid(color=_RULE, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[1].set_ylabel("nats a note, valid")
    return image(figure, suffix)


def _panel(axes: Axes, trials: Sequence[Mapping[str, Any]], best: Mapping[str, Any], name: str) -> None:
    """The trials by one setting: dots to the end, rings stopped early, at the edge what lies above; a cross the best."""
    places = sorted({each[name] for each in trials}) if name in _IN_STEPS else []
    x = {each: places.index(each) for each in places}
    for is_whole, face, edge in ((False, "none", _GREY), (True, _BAR, _BAR)):
        own = [each for each in trials if bool(each["whole"]) is is_whole]
        values, nats = [x.get(each[name], each[name]) for each in own], [each["nats"] for each in own]
        axes.scatter(values, nats, s=18, facecolors=face, edgecolors=edge)
    lowest = min(each["nats"] for each in trials if each["whole"])
    axes.plot(x.get(best[name], best[name]), lowest, "x", color=_BEST, markersize=10, markeredgewidth=2)
    if places:
        axes.set_xticks(range(len(places)), places)
    elif name in _BY_FACTORS:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_title(name.replace("_", " "), fontsize=10)


def rate_picture(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    steepest: float,
    lowest: float,
    suffix: str = ".png",
) -> bytes:
    """The loss while the learning rate rises, the rate at which it falls fastest, and that at which it is lowest.

    Raises
    ------
    RenderError
        If matplotlib is not installed.
    """
    need("a picture", "matplotlib", error=RenderError)
    from matplotlib.figure import Figure

    figure: Figure = Figure(figsize=(8, 4.5), dpi=110, facecolor="white", layout="constrained")
    axes = figure.subplots()
    axes.plot(rates, losses, color=_GREY, linewidth=0.8, label="each step")
    axes.plot(rates, smoothed, color=_BAR, label="smoothed")
    axes.axvline(steepest, color=_BEST, linestyle="--", label=f"falls fastest: {steepest:.2g}")
    axes.axvline(lowest, color=_INK, linestyle=":", label=f"lowest: {lowest:.2g}")
    axes.set_xscale("log")
    axes.set(xlabel="learning rate", ylabel="nats an event", ylim=(0.95 * np.min(losses), 1.05 * np.max(smoothed)))
    axes.legend(frameon=False)
    axes.grid(color=_RULE, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return image(figure, suffix)
