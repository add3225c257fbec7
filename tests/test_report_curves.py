"""Laws of the loss plot: the curves have the room, every baseline is there with its number."""

from __future__ import annotations

from pathlib import Path

import pytest

from melody.errors import RenderError
from melody.report.curves import plot_curves, write_curves

LOSSES = [(1.74, 0.85), (0.87, 0.78), (0.82, 0.75), (0.70, 0.72), (0.65, 0.69)]


def table(folder: Path, losses: list[tuple[float, float]], unigram: float = 7.16, name: str = "model") -> Path:
    rows = [f"{i},{train},{valid},{unigram},0.001" for i, (train, valid) in enumerate(losses, 1)]
    path = folder / f"{name}.csv"
    path.write_text("\n".join(["epoch,train,valid,unigram,learning_rate", *rows]))
    return path


def words(figure) -> list[str]:
    """Every text in the picture."""
    legends = [t.get_text() for axes in figure.axes if axes.get_legend() for t in axes.get_legend().get_texts()]
    return legends + [t.get_text() for axes in figure.axes for t in axes.texts]


@pytest.mark.parametrize("ngram", [0.5, 0.72, 0.95, 2.8])
@pytest.mark.parametrize("unigram", [0.9, 7.16])
def test_the_curve_has_the_room_and_each_baseline_its_line(tmp_path: Path, ngram: float, unigram: float) -> None:
    figure = plot_curves(table(tmp_path, LOSSES, unigram), baselines={"n-gram of 10 tokens": ngram})
    losses = next(axes for axes in figure.axes if "nats" in axes.get_ylabel())
    low, high = losses.get_ylim()
    valid = [v for _, v in LOSSES]
    assert low < min(valid) and max(valid) < high and (max(valid) - min(valid)) / (high - low) > 0.25
    for name, value in (("n-gram of 10 tokens", ngram), ("unigram", unigram)):
        assert f"{name} {value:.3f}" in words(figure)
    drawn = {line.get_ydata()[0] for line in losses.lines if len(set(line.get_ydata())) == 1 and len(line.get_ydata()) == 2}
    assert {v for v in (ngram, unigram) if v < 1} <= drawn and all(low < v < high for v in drawn)


def test_one_epoch_and_no_change_are_drawn_and_texts_do_no_harm(tmp_path: Path) -> None:
    for i, losses in enumerate(([(1.0, 1.0)], [(1.0, 1.0)] * 3)):
        name = f"$x_{i}$<b>\u65e5"
        for suffix in (".png", ".svg"):
            write_curves(table(tmp_path, losses, name=name), tmp_path / f"{i}{suffix}", baselines={"n-gram": 1.0})
            assert (tmp_path / f"{i}{suffix}").stat().st_size > 1000


def test_what_is_no_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="no epoch"):
        write_curves(table(tmp_path, []), tmp_path / "a.png")
    (tmp_path / "b.csv").write_text("x")
    with pytest.raises(RenderError):
        write_curves(tmp_path / "b.csv", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
