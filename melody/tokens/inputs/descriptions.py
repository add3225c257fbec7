"""What features and conditions are, in words: the sentences of the table (`schema`) that are longer than a line of it."""

from __future__ import annotations

PHASE = "number of the bar from the first full one, modulo 8: most phrases are 2, 4 or 8 bars long"
SECTION = "groups of 8 such bars before, at most 15: a model that repeats itself must know when to end"
REPEATED = (
    "the event that followed the last time that the last events were played (`melody.tokens.inputs.matches`), or the one "
    "that the outline says is repeated (`melody.tokens.inputs.outlines.outline`)"
)
STATUS = "of the part there: 0 silent, 1 its note ends just there, 2 it sounds on, 3 it has begun just there"
AGE = "how long the part's note has sounded there, as a time; none if it is silent"
DRUM_PLACE = "of a drum kit, 1 + ticks from the bar line to the place, up to the longest bar; 0 of other parts"
LOOKBACK = "the event that came next {} {} ago"
OWN_LOOKBACK = "{0} + 1 of the note that the part began {2} {1} before, the next one of its chord; 0 without"
KIND_LOOKBACK = "1 + kind of what came just {} {} before the place, the next one there; 0 without"
OWN_DEGREE = (
    "1 + semitones of that note above the tonic of the bar's key by the outline or of the key in force, 12 more in minor"
)
OWN_BAR = "of the part, by the outline: 1 rests, 2 is new, 3 returns, 4 is new to the rhythm of an earlier one; 0 unknown"
FIGURE = (
    "1 + pitch of the part's next note if it moves as in the bar whose rhythm returns: that note there, as far away as the "
    "part's last note is from its own there, if it is of the same bar; 0 without"
)
OWN_KEY = "of a part with pitches, that key: 1 + tonic, 12 more in minor; 0 without"
OWN_CHORD = "of such a part, the chord of the half bar by the outline: 1 + root, 12 more in minor; 0 without"
TWIN = (
    "1 + pitch of the part's next note if it goes where its twin has gone, a part that has begun a note there, and before "
    "it one of the part's tone where the part began its last (`melody.tokens.inputs.together`); 0 without"
)
STANDS = (
    "of five parts how each stands to that place, digits to base 8: its status (0 silent, 1 its note ends just there, 2 it "
    "sounds on, 3 it has begun just there), 4 more where its twin has begun a note there"
)
OWN_LATER = (
    "of a part that plays something new, 1 + in how many places it is to begin notes later in the bar, by the outline, at "
    "most 15; 0 without"
)
AGAIN = "1 + the most of `own again` of the parts that play something new in the bar, to no earlier rhythm; 0 without"
OWN_AGAIN = (
    "of a part that plays something new in the bar, in how many later bars it plays the same by the outline: 1 none, 2 one, "
    "3 two, 4 from four on, 5 from eight on: a riff is not written as a fill is; 0 of others"
)
OWN_NEXT = (
    "of a part that begins its last notes in the bar, how long it is to its next ones by the outline, as a time; 0 without, "
    "where it repeats something and where more are to come"
)
PLANNED = "1 + {} of what comes next by the outline, if it does there in that part and is a repeat"
SOUNDING = "1 + which tones sound there {} to {} semitones above the part's last note, in any octave, as bits; 0 without one"
END = "how long it is to the {} tick at which a part's last note ends, of parts with pitches, as a time; 0 without"
TO_COME = (
    "1 + in how many places parts that play something new are still to begin notes in the bar, by the outline, at most 30"
)
MAY_PLAY = (
    "of five parts what each may do there by the outline, digits to base 8: 0 unsaid, 1 rest, 2 play where it repeats "
    "something or begins, and nowhere else, 3 play something new, in one place more, 4 two, 5 to 4, 6 to 8, 7 in more"
)
