"""Notes that somebody types, as a prompt that a model understands."""

from __future__ import annotations

from melody.errors import VocabularyError
from melody.limits import Limits
from melody.piece import Piece
from melody.score.notes_text import read_notes
from melody.tokens import Vocabulary


def typed(vocabulary: Vocabulary, notes: str, limits: Limits) -> Piece:
    """Music that was typed: by the model's first instrument, in the metre, tempo and key of the limits.

    Parameters
    ----------
    vocabulary
        Of the model that is to go on with it.
    notes
        As `melody.score.notes_text.read_notes` takes them: 'D4/8 E F# A r/4'.
    limits
        Of the music to come.

    Raises
    ------
    VocabularyError
        If the model knows nothing but drums.
    melody.errors.ScoreError
        If the notes cannot be read.
    """
    players = [part for part in vocabulary.parts if not part.is_drum]
    if not players:
        raise VocabularyError("notes are pitches, and this model knows nothing but drums; give it a file with drums")
    metre = limits.metre or ((4, 4) if (4, 4) in vocabulary.time_signatures else vocabulary.time_signatures[0])
    tempi = [60e6 / tempo for tempo in vocabulary.tempi]
    wanted = [part for part in players if any(instrument.plays(part) for instrument in limits.instruments)]
    return read_notes(
        notes,
        tempo_qpm=limits.tempo or min(tempi, key=lambda qpm: abs(qpm - 120)),
        metre=metre,
        key=limits.key,
        part=(wanted or players)[0],
        velocity=min(vocabulary.velocities, key=lambda velocity: abs(velocity - 90)),
        ticks_per_quarter=vocabulary.ticks_per_quarter,
    )
