"""The loss curves of a training, from its CSV to a picture."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from melody import files
from melody.errors import RenderError
from melody.extras import need
from melody.report.roll import check_suffix, drawable, image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _GREY, _RULE = "#1f2937", "#6b7280", "#e5e7eb"
_TRAIN, _VALID = "#d97706", "#2563eb"


def write_curves(
    table: str | os.PathLike[str], out: str | os.PathLike[str], *, baselines: Mapping[str, float] | None = None
) -> None:
    """Write `plot_curves` to a PNG or SVG file, whole or not at all; arguments as there.

    Raises
    ------
    RenderError
        If matplotlib is not installed, the table is none of ours, or the suffix is another.
    melody.files.FileError
        If it cannot be written.
    """
    check_suffix(out)
    files.write_bytes(out, image(plot_curves(table, baselines=baselines), Path(out).suffix.lower()))


def plot_curves(table: str | os.PathLike[str], *, baselines: Mapping[str, float] | None = None) -> Figure:
    """The losses of a training and its learning rate.

    The losses have the room: a baseline that lies far above them stands in a panel of its own, with its number.

    Parameters
    ----------
    table
        The CSV that a training writes, a line an epoch: `epoch`, `train`, `valid`, `unigram` in nats per note,
        `learning_rate`.
    baselines
        Names and nats per note of what else to compare with, such as the n-gram.

    Raises
    ------
    RenderError
        If matplotlib is not installed, or the table is none of ours.
    """
    need("a picture", "matplotlib", error=RenderError)
    from matplotlib.figure import Figure

    columns = _columns(Path(table))
    low, high = _range(columns)
    lines = {"unigram": columns["unigram"][-1], **(baselines or {})}
    far = {name: value for name, value in lines.items() if value > high + 0.6 * (high - low)}
    figure = Figure(figsize=(8, 4.8 + 0.22 * len(far)), dpi=110, facecolor="white", layout="constrained")
    has_recital = "recited" in columns
    ratios = (*([0.28 * len(far) + 0.1] if far else []), 5, *([1] * has_recital), 1)
    *above, rates = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)
    recital = above.pop() if has_recital else None
    losses = above.pop()
    _draw_losses(losses, columns, {name: value for name, value in lines.items() if name not in far})
    near, spare = [value for name, value in lines.items() if name not in far], 0.05 * (high - low)
    losses.set_ylim(min([low, *(v - spare for v in near)]), max([high, *(v + spare for v in near)]))
    if recital is not None:
        _draw_recital(recital, columns)
    rates.plot(columns["epoch"], columns["learning_rate"], color=_GREY)
    rates.set(xlabel="epoch", ylim=(0, None))
    rates.set_ylabel("learning rate", fontsize=8)
    rates.xaxis.get_major_locator().set_params(integer=True)
    for axes in (losses, rates, *([recital] if recital else [])):
        axes.grid(color=_RULE, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    if above:
        _draw_far(above[0], far)
    (above or [losses])[0].set_title(drawable(Path(table).stem, 80), color=_INK, loc="left", parse_math=False)
    return figure


def _range(columns: Mapping[str, list[float]]) -> tuple[float, float]:
    """What the losses cover; of the training loss without the first epoch, which begins at nothing learned."""
    shown = columns["valid"] + (columns["train"][1:] or columns["train"])
    spare = 0.08 * (max(shown) - min(shown)) or 0.1
    return min(shown) - spare, max(shown) + spare


def _draw_losses(axes: Axes, columns: Mapping[str, list[float]], lines: Mapping[str, float]) -> None:
    epoch, valid = columns["epoch"], columns["valid"]
    best = valid.index(min(valid))
    axes.plot(epoch, columns["train"], color=_TRAIN, label="train (with dropout)", marker=".")
    if "train_read" in columns:
        axes.plot(epoch, columns["train_read"], color=_TRAIN, linestyle=":", label="train, without dropout")
    axes.plot(epoch, valid, color=_VALID, label=f"valid, best {valid[best]:.3f} after epoch {epoch[best]:.0f}", marker=".")
    axes.plot(epoch[best], valid[best], "o", color=_VALID, markersize=9, fillstyle="none")
    for style, (name, value) in zip((":", "--", "-."), lines.items()):
        axes.axhline(value, color=_GREY, linestyle=style, label=f"{name} {value:.3f}")
    axes.set_ylabel("nats per note", color=_INK)
    axes.legend(frameon=False)


def _draw_recital(axes: Axes, columns: Mapping[str, list[float]]) -> None:
    """At which share of the places the model goes on as the piece does, note for note."""
    for name, colour, label in (("recited", _TRAIN, "train"), ("recited_valid", _VALID, "valid")):
        axes.plot(columns["epoch"], [100 * share for share in columns[name]], color=colour, label=label)
    axes.set_ylim(0, max(1.0, *(105 * share for name in ("recited", "recited_valid") for share in columns[name])))
    axes.set_ylabel("recited, %", fontsize=8)


def _draw_far(axes: Axes, far: Mapping[str, float]) -> None:
    """Baselines above the range of the losses, the highest on top, not to scale."""
    axes.set(ylim=(-0.6, len(far) - 0.4), yticks=[])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_linestyle((0, (2, 3)))
    axes.tick_params(bottom=False)
    axes.set_ylabel("above,\nnot to scale", color=_GREY, fontsize=6.5, rotation=0, ha="right", va="center")
    for i, (name, value) in enumerate(sorted(far.items(), key=lambda line: line[1])):
        axes.axhline(i, color=_GREY, linestyle="--", linewidth=1)
        axes.annotate(
            f"{name} {value:.3f}", (0.99, i), xycoords=("axes fraction", "data"), ha="right", va="center", fontsize=8,
            color=_INK, backgroundcolor="white",
        )  # fmt: skip


def _columns(table: Path) -> dict[str, list[float]]:
    try:
        rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
        names = ("epoch", "train", "valid", "unigram", "learning_rate")
        columns = {name: [float(row[name]) for row in rows] for name in names}
        later = [name for name in ("train_read", "recited", "recited_valid") if all(row.get(name) for row in rows)]
        columns |= {name: [float(row[name]) for row in rows] for name in later}  # tables of before have none
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RenderError(f"{table}: is no table of losses ({error}); name the CSV that melody train wrote") from error
    if not rows:
        raise RenderError(f"{table}: has no epoch in it yet; train for longer")
    return columns
