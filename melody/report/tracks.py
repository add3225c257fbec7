"""Tracks under a piano roll: what goes on while the music does, drawn on the roll's own time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from melody.piece import Ints

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _GREY, _RULE = "#1f2937", "#6b7280", "#9ca3af"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_LABEL = 36  # points from label to label
_SHOWN = 1.02  # of the height of a track that its highest value takes


@dataclass(frozen=True)
class Track:
    """One strip under the roll.

    Parameters
    ----------
    title
        What it shows; stands above it.
    ticks
        When each value holds from on, in ticks, ascending; until the next one, the last until `end`, (values,).
    end
        The tick at which the last value ends.
    values
        (lines, values); of a picture, a row each, from the lowest up.
    kind
        'bars' of one line, 'steps' for several lines, 'picture' for many rows, coloured from the least to the most.
    labels
        Of each line; none for a picture.
    height
        In inches.
    span
        The least and the most that are drawn; None for what the values have.
    """

    title: str
    ticks: Ints
    end: int
    values: NDArray[np.float64]
    kind: Literal["bars", "steps", "picture"] = "steps"
    labels: tuple[str, ...] = ()
    height: float = 0.7
    span: tuple[float, float] | None = None

    def draw(self, axes: Axes, start: int, stop: int) -> None:
        """Draw what is between two ticks, which are the width of the axes."""
        low, high = self.span or (float(self.values.min()), float(self.values.max()))
        high = high if high > low else low + 1
        axes.set(xlim=(start, stop), xticks=[], facecolor="white")
        axes.tick_params(length=0, pad=3, labelsize=6, labelcolor=_GREY)
        for side in axes.spines.values():
            side.set(color=_RULE, linewidth=0.5)
        edges = np.append(self.ticks, self.end)
        above: dict[str, Any] = dict(xycoords="axes fraction", textcoords="offset points", fontsize=6.5)
        axes.annotate(self.title, (0, 1), (2, 2), color=_INK, **above)
        for i, (label, colour) in enumerate(zip(self.labels[::-1], _COLOURS[: len(self.labels)][::-1])):
            axes.annotate(label, (1, 1), (-2 - _LABEL * i, 2), color=colour, ha="right", **above)
        if self.kind == "picture":
            axes.pcolormesh(edges, np.arange(len(self.values) + 1), self.values, cmap="RdBu_r", vmin=low, vmax=high)
            axes.set(yticks=[], ylim=(0, len(self.values)))
            return
        axes.set(ylim=(low, low + (high - low) * _SHOWN), yticks=[low, high], yticklabels=[f"{low:.2g}", f"{high:.2g}"])
        if self.kind == "bars":
            axes.bar(edges[:-1], self.values[0], np.diff(edges), align="edge", color=_COLOURS[1], edgecolor="white", lw=0.3)
            return
        for line, colour in zip(self.values, _COLOURS):
            axes.stairs(line, edges, color=colour, linewidth=0.9, baseline=None)
