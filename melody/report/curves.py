"""The loss curves of a training, from its CSV to a picture."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from melody import files
from melody.errors import RenderError
from melody.extras import need

_INK, _GREY, _RULE = "#1f2937", "#6b7280", "#e5e7eb"
_TRAIN, _VALID = "#d97706", "#2563eb"


def write_curves(table: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Draw the losses of a training and its learning rate.

    Parameters
    ----------
    table
        The CSV that a training writes, a line an epoch: `epoch`, `train`, `valid`, `unigram` in nats per note,
        `learning_rate`.
    out
        PNG or SVG file to write.

    Raises
    ------
    RenderError
        If matplotlib is not installed, or the table is none of ours.
    melody.files.FileError
        If it cannot be written.
    """
    need("a picture", "matplotlib", error=RenderError)
    from matplotlib.figure import Figure

    columns = _columns(Path(table))
    figure = Figure(figsize=(8, 4.8), dpi=110, facecolor="white", layout="constrained")
    losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    epoch, valid = columns["epoch"], columns["valid"]
    best = valid.index(min(valid))
    losses.plot(epoch, columns["train"], color=_TRAIN, label="train (with dropout)", marker=".")
    losses.plot(epoch, valid, color=_VALID, label=f"valid, best {valid[best]:.3f} after epoch {epoch[best]:.0f}", marker=".")
    losses.axhline(columns["unigram"][-1], color=_GREY, linestyle=":", label="unigram")
    losses.plot(epoch[best], valid[best], "o", color=_VALID, markersize=9, fillstyle="none")
    losses.set_ylabel("nats per note", color=_INK)
    losses.set_title(Path(table).stem, color=_INK, loc="left", parse_math=False)
    losses.legend(frameon=False)
    rates.plot(epoch, columns["learning_rate"], color=_GREY)
    rates.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None))
    rates.xaxis.get_major_locator().set_params(integer=True)
    for axes in (losses, rates):
        axes.grid(color=_RULE, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    suffix = Path(out).suffix.lower().lstrip(".") or "png"
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, metadata={"Date": None} if suffix == "svg" else {})
    files.write_bytes(out, buffer.getvalue())


def _columns(table: Path) -> dict[str, list[float]]:
    try:
        rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
        names = ("epoch", "train", "valid", "unigram", "learning_rate")
        columns = {name: [float(row[name]) for row in rows] for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RenderError(f"{table}: is no table of losses ({error}); name the CSV that melody train wrote") from error
    if not rows:
        raise RenderError(f"{table}: has no epoch in it yet; train for longer")
    return columns
