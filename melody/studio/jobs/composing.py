"""New music that appears while it is sampled: a tune from nothing, or what follows one.

What has been shown is being listened to, so it stays. Where the first try does not end as it should, not the tune is drawn
again, as `melody generate` does, but its last bars, as the continuation of all before. A first try without a fault is what
`melody generate` writes with the same seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from melody.errors import SamplingError, StudioError
from melody.piece import Piece
from melody.sampling.quality import faults
from melody.sampling.search import Search
from melody.sampling.tasks.continuation import continuations
from melody.sampling.tasks.file_prompt import bars_as_meant
from melody.sampling.tasks.generate import new_tunes
from melody.studio.jobs.asking import Asked
from melody.studio.sheets import piece_of, sheet_of
from melody.threads import one_thread

if TYPE_CHECKING:
    from melody.sampling import Model
    from melody.sampling.result import Result
    from melody.studio.bench import Bench, Message, Send

CLOSE = 4  # bars at the end that are drawn again
_AT_ONCE = 24  # events of which each is shown as it comes; of later ones several together
_EVERY = 0.04  # seconds


class Shown:
    """Sends the page what is new of music that is being made.

    Parameters
    ----------
    send
        Takes the messages.
    start
        The tick where the new music begins.
    """

    def __init__(self, send: Send, start: int = 0) -> None:
        self._send, self._since, self._events, self._last = send, start, 0, 0.0
        self._has_begun = False

    def __call__(self, music: Callable[[], Piece]) -> None:
        """Show what is new, if it is time to."""
        self._events += 1
        if self._events > _AT_ONCE and time.monotonic() - self._last < _EVERY:
            return
        piece = music()
        new = piece.select(piece.onset >= self._since)
        if not new.num_notes:
            return
        if not self._has_begun:
            self._has_begun = True
            self._send({"begun": sheet_of(piece.select(piece.onset < self._since)), "since": self._since})
        self._send({"since": self._since, "notes": sheet_of(new)["notes"]})
        certain = new.end < new.length  # what ends last may become longer
        self._since = int(new.onset[~certain].min(initial=new.length))
        self._last = time.monotonic()


@one_thread()
def write(bench: Bench, order: Message, send: Send) -> None:
    """A new tune: `model`, `seed`, `bars`, `steer`; `as_it_ends` takes any ending."""
    model, asked = bench.model(order.get("model")), Asked.of(order)
    limits = replace(asked.limits, end_on_tonic=False)  # the end is seen to when it is there
    if asked.settings.form is not None:  # it is kept by drawing whole tunes again: nothing is shown before one keeps it
        made = next(iter(new_tunes(model, Search(1), asked.limits, replace(asked.settings, any_ending=False))))
    else:
        made = next(iter(new_tunes(model, Search(1), limits, asked.settings, Shown(send))))
    _finish(model, order, asked, made, 0, send)


@one_thread()
def go_on(bench: Bench, order: Message, send: Send) -> None:
    """What follows a tune: besides what `write` takes, the `sheet`, and the bar `after` which it goes on (None: the end)."""
    model, asked = bench.model(order.get("model")), Asked.of(order)
    prompt = _up_to(piece_of(order.get("sheet")), order.get("after"))
    limits = replace(asked.after(_full_bars(prompt), asked.limits.bars), end_on_tonic=False)
    shown = Shown(send, prompt.length)
    made = next(continuations(model, prompt, Search(1), limits, asked.settings, watch=shown))
    _finish(model, order, asked, made, made.first_bar or 0, send)


def get_ready(bench: Bench) -> None:
    """Load the model that most begin with, and write a little."""
    from melody.studio.bench import models_here

    names = list(models_here(bench.folder))
    if names:
        write(bench, {"model": "fiddle" if "fiddle" in names else names[0], "bars": 1, "seed": 0}, lambda _: None)


def _up_to(piece: Piece, after: object) -> Piece:
    """The bars up to that one."""
    if after is None:
        return piece
    if isinstance(after, bool) or not isinstance(after, int) or not piece.first_bar <= after <= piece.last_bar:
        raise StudioError(f"there is no such bar to go on after; the tune has bars {piece.first_bar} to {piece.last_bar}")
    return bars_as_meant(piece, piece.first_bar, after)


def _full_bars(piece: Piece) -> int:
    return piece.num_bars - piece.has_pickup


def _finish(model: Model, order: Message, asked: Asked, made: Result, start: int, send: Send) -> None:
    """Send the whole, its end drawn again if it is not as it should be; new are the notes from `start` on."""
    remarks = list(made.remarks)
    piece = made.piece
    wrong = [] if order.get("as_it_ends") else _faults(model, piece, asked, start)
    first = int(piece.bar_starts()[-1]) if piece.num_notes else 0
    if wrong and start < first:
        again = _with_another_close(model, piece, asked, start)
        if again is not None:
            piece, wrong = again, _faults(model, again, asked, start)
            remarks.append("the last bars were drawn again" + ("" if wrong else ", so that it ends well"))
    remarks += [f"it {words}" if words.startswith("does") else f"it has {words}" for words in wrong]
    facts: dict[str, Any] = {"seed": asked.settings.seed, "removed": made.removed, "remarks": remarks, "start": start}
    send({"sheet": sheet_of(piece), **facts})


def _faults(model: Model, piece: Piece, asked: Asked, start: int) -> list[str]:
    most = model.prior.in_a_row_of(model.vocabulary, piece)
    any_close = bool(asked.limits.chords) and not asked.limits.end_on_tonic
    allowed = model.allowed_faults(asked.settings, 0)
    found = faults(piece, ended=True, start=start, most_in_a_row=most, any_close=any_close)
    return [fault for fault in found if fault not in allowed]


def _with_another_close(model: Model, piece: Piece, asked: Asked, start: int) -> Piece | None:
    """The tune with its last bars drawn again; None if no better way is found."""
    starts = piece.bar_starts()
    new = int((starts >= start).sum())
    bars = min(CLOSE, new - 1 if start == 0 else new, len(starts) - piece.has_pickup - 1)
    if bars < 1:
        return None
    before = piece.bars(piece.first_bar, piece.last_bar - bars)
    if not before.num_notes:
        return None
    limits = asked.after(_full_bars(before), bars)
    if limits.metre or limits.tempo:  # they are those of the tune already
        limits = replace(limits, metre=None, tempo=None)
    try:
        made = next(continuations(model, before, Search(1), limits, replace(asked.settings, any_ending=False)))
    except SamplingError:
        return None
    return replace(made.piece, title=piece.title, texts=piece.texts)
