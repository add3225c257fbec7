"""What may follow what: masks over the tokens of each field, so that no sample can ever be illegal.

A stream of events that keeps to the masks always decodes to a legal `Piece`: the metre comes first and changes on bar lines
only, events are in the order of the vocabulary, no pitch of a part starts while it sounds, a part that was monophonic
throughout the corpus stays so, one whose durations are implied rests only while it sounds and has rested before the end, and
there is always a way on. Asked for a number of bars, the music ends in the last of them and no note outlasts it.
"""

from melody.tokens.grammar.ahead import Ahead, Mask
from melody.tokens.grammar.masks import Grammar
from melody.tokens.grammar.standing import Standing

__all__ = ["Ahead", "Grammar", "Mask", "Standing"]
