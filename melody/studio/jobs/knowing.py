"""What there is to know of a tune: how surprising each note is to a model, and what it shares with the training pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from melody.errors import StudioError
from melody.originality.finding import Finding, Passage, compare
from melody.originality.index import Index
from melody.piece import Piece
from melody.sampling.prompt import understood
from melody.studio.sheets import piece_of, sheet_of
from melody.threads import one_thread
from melody.tokens.vocabulary import END, TIME

if TYPE_CHECKING:
    from melody.sampling import Model
    from melody.studio.bench import Bench, Message, Send

MAX_NOTES = 5_000  # of which the surprise is shown: a step of the network each


@one_thread()
def surprise(bench: Bench, order: Message, send: Send) -> None:
    """The nats of each note of a `sheet` under a `model`, null where it reads the music without that note."""
    piece = piece_of(order.get("sheet"))
    if not piece.num_notes:
        raise StudioError("the tune has no notes yet; write or open one first")
    if piece.num_notes > MAX_NOTES:
        raise StudioError(f"the tune has {piece.num_notes:,} notes; the surprise of at most {MAX_NOTES:,} is shown")
    nats = nats_of(bench.model(order.get("model")), piece)
    known = nats[np.isfinite(nats)]
    shown = [round(float(value), 3) if np.isfinite(value) else None for value in nats]
    send({"nats": shown, "mean": round(float(known.mean()), 3) if len(known) else None})


def nats_of(model: Model, piece: Piece) -> NDArray[np.float64]:
    """Negative log likelihood of each note under a model, (notes,); NaN of one that the model does not read.

    Raises
    ------
    melody.errors.VocabularyError
        If the model cannot understand the music; the message says why.
    """
    vocabulary = model.vocabulary
    own = piece.resolution(vocabulary.ticks_per_quarter)
    read = understood(vocabulary, own)
    rows = vocabulary.encode(read.piece)
    nats = model.decoder.at_any_pitch().score([rows])[0]
    is_note = vocabulary.is_note(rows) & (rows[:, TIME] != END)
    moved = read.piece.pitch - np.where(read.piece.is_drum, 0, 12 * read.octaves)
    found = dict(zip(zip(read.piece.onset.tolist(), moved.tolist()), nats[is_note].tolist()))
    asked = zip(own.onset.tolist(), own.pitch.tolist()) if own.num_notes == piece.num_notes else []
    given = [found.get(note, np.nan) for note in asked] or [np.nan] * piece.num_notes
    return np.array(given, np.float64)


def originality(bench: Bench, order: Message, send: Send) -> None:
    """What a `sheet` shares with the training pieces of a `model`, and the longest run of both one under the other."""
    index = bench.index(order.get("model"))
    found = compare(index, piece_of(order.get("sheet")))
    send(_described(index, found))


def _described(index: Index, found: Finding) -> dict[str, Any]:
    norm = index.norm
    run: Passage | None = found.run or found.sharer
    excerpt = None
    if run is not None:
        excerpt = {
            "piece": run.name,
            "notes": run.notes,
            "bars": list(run.bars),
            "first": run.first,
            "sheet": sheet_of(run.as_piece()),
        }
    held_out: dict[str, Any] | None = None
    if norm is not None:
        held_out = {"run": list(norm.run), "share": [round(value, 3) for value in norm.share], "tunes": norm.tunes}
    return {
        "pieces": len(index.names),
        "copy": found.is_copy,
        "certain": found.is_longer is not None,
        "run": found.run.notes if found.run else None,
        "share": round(found.share, 3),
        "sharer": found.sharer.name if found.sharer else None,
        "held_out": held_out,
        "excerpt": excerpt,
        "remarks": list(found.remarks),
    }


def card(bench: Bench, order: Message, send: Send) -> None:
    """What a `model` is: sentences on its music, its parts and how well it predicts."""
    model = bench.model(order.get("model"))
    manifest, result = model.file.manifest, model.file.training.get("result") or {}
    pieces, folder = manifest.get("counts", {}).get("kept"), str(manifest.get("folder", ""))[:80]
    players = [part.name or f"program {part.program}" for part in model.vocabulary.parts]
    lines = [f"Learnt from {pieces:,} pieces of {folder or 'a folder'}." if isinstance(pieces, int) else ""]
    lines.append(f"Plays {', '.join(players[:4])}{' and others' if len(players) > 4 else ''}.")
    test, ngram = result.get("test"), result.get("ngram")
    if isinstance(test, float) and isinstance(ngram, float):
        lines.append(f"{test:.2f} nats a note on pieces that it has not seen; an n-gram, {ngram:.2f}.")
    send({"lines": [line for line in lines if line], "parts": len(players)})
