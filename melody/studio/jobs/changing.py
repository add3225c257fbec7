"""Music that is there, changed by a model: bars written again in several ways, voices set under a melody."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from melody.errors import StudioError
from melody.piece import Piece
from melody.sampling.keywords import number, whole
from melody.sampling.settings import VOICES_TEMPERATURE
from melody.sampling.tasks.harmonize import harmonize as harmonized
from melody.sampling.tasks.infill import VarySettings, vary
from melody.studio.jobs.asking import Asked
from melody.studio.sheets import piece_of, sheet_of
from melody.threads import one_thread

if TYPE_CHECKING:
    from melody.studio.bench import Bench, Message, Send

ALTERNATIVES = 4
CANDIDATES, ROUNDS = 24, 1  # for somebody who waits
VOICES_CANDIDATES = 32
MOST_LIKE = 4.0  # nats a note that stays, where the slider is at its end


@one_thread()
def again(bench: Bench, order: Message, send: Send) -> None:
    """Four other ways through bars `between` [first, last] of a `sheet`, each as soon as it is made.

    `likeness` from 0 to 1 says how like the old bars; `part` which part alone, from 1.
    """
    model, asked = bench.model(order.get("model")), Asked.of(order)
    piece = piece_of(order.get("sheet"))
    first, last = _bars_of(order, piece)
    like = number("the likeness", order.get("likeness") or 0) or 0.0
    if not 0 <= like <= 1:
        raise StudioError(f"the likeness is {like:g}; it must be from 0 (by itself) to 1 (hardly another)")
    how = VarySettings(CANDIDATES, ROUNDS, MOST_LIKE * like)
    part = None if order.get("part") is None else str(whole("the part", order.get("part")))
    limits = replace(asked.limits, bars=None, metre=None, tempo=None)
    for alternative in range(ALTERNATIVES):
        settings = replace(asked.settings, seed=asked.settings.seed + alternative, any_ending=False)
        made = vary(model, piece, first, last, part=part, how=how, limits=limits, settings=settings)[0]
        send(
            {
                "alternative": alternative,
                "sheet": sheet_of(made.piece),
                "kept": _kept(piece, made.piece, made.first_tick, made.last_tick or made.piece.length),
                "remarks": list(made.remarks),
                "seed": settings.seed,
            }
        )


@one_thread()
def voices(bench: Bench, order: Message, send: Send) -> None:
    """Voices under the melody of a `sheet`; `part` from 1 where it has several parts."""
    model, asked = bench.model(order.get("model")), Asked.of(order)
    piece = piece_of(order.get("sheet"))
    chosen = whole("the part", order.get("part"))
    if chosen is not None:
        piece = piece.select(piece.part == chosen - 1)
    elif len(np.unique(piece.part)) > 1:
        piece = piece.select(piece.part == piece.part[int(np.argmax(piece.pitch))])
    settings = asked.settings
    if "temperature" not in asked.given:
        settings = replace(settings, temperature=VOICES_TEMPERATURE)
    limits = replace(asked.limits, bars=None, metre=None, tempo=None, key=None, end_on_tonic=False)
    settings = replace(settings, any_ending=bool(order.get("as_it_ends")))
    key = asked.limits.key.name if asked.limits.key else None
    made = harmonized(model, piece, key=key, candidates=VOICES_CANDIDATES, limits=limits, settings=settings)[0]
    send({"sheet": sheet_of(made.piece), "remarks": list(made.remarks), "seed": settings.seed})


def _bars_of(order: Message, piece: Piece) -> tuple[int, int]:
    bars = order.get("between")
    if not (isinstance(bars, list) and len(bars) == 2):
        raise StudioError("choose the bars that are to be written again: drag over their numbers above the roll")
    first, last = (whole("a bar", bar) for bar in bars)
    return first or piece.first_bar, last or piece.first_bar


def _kept(old: Piece, new: Piece, start: int, stop: int) -> float:
    """The share of the notes of [start, stop) of the new piece that stood in the old one."""
    scale = new.ticks_per_quarter / old.ticks_per_quarter
    before = set(zip((old.onset * scale).tolist(), old.pitch.tolist()))
    inside = (new.onset >= start) & (new.onset < stop)
    notes = list(zip(new.onset[inside].astype(float).tolist(), new.pitch[inside].tolist()))
    return round(sum(note in before for note in notes) / max(len(notes), 1), 3)
