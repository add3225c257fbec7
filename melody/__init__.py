"""melody: train an LSTM on a folder of MIDI files, write new tunes in its style, continue a melody.

>>> from melody import Piece
>>> Piece([0, 24], [24, 24], [60, 64])
<Piece 2 notes, 1 bars of 4/4, 1 part>
"""

from melody.errors import MelodyError
from melody.piece import Piece

__version__ = "0.1.0"
__all__ = ["MelodyError", "Piece"]
