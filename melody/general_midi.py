"""The names of General MIDI level 1 (MIDI Manufacturers Association, 1991): programs, their families, and drums.

Programs are counted from 0, as in the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from melody.note_columns import Part

_PROGRAMS = (
    "Acoustic Grand Piano, Bright Acoustic Piano, Electric Grand Piano, Honky-tonk Piano, Electric Piano 1, "
    "Electric Piano 2, Harpsichord, Clavinet, Celesta, Glockenspiel, Music Box, Vibraphone, Marimba, Xylophone, "
    "Tubular Bells, Dulcimer, Drawbar Organ, Percussive Organ, Rock Organ, Church Organ, Reed Organ, Accordion, "
    "Harmonica, Tango Accordion, Acoustic Guitar (nylon), Acoustic Guitar (steel), Electric Guitar (jazz), "
    "Electric Guitar (clean), Electric Guitar (muted), Overdriven Guitar, Distortion Guitar, Guitar Harmonics, "
    "Acoustic Bass, Electric Bass (finger), Electric Bass (pick), Fretless Bass, Slap Bass 1, Slap Bass 2, Synth Bass 1, "
    "Synth Bass 2, Violin, Viola, Cello, Contrabass, Tremolo Strings, Pizzicato Strings, Orchestral Harp, Timpani, "
    "String Ensemble 1, String Ensemble 2, Synth Strings 1, Synth Strings 2, Choir Aahs, Voice Oohs, Synth Choir, "
    "Orchestra Hit, Trumpet, Trombone, Tuba, Muted Trumpet, French Horn, Brass Section, Synth Brass 1, Synth Brass 2, "
    "Soprano Sax, Alto Sax, Tenor Sax, Baritone Sax, Oboe, English Horn, Bassoon, Clarinet, Piccolo, Flute, Recorder, "
    "Pan Flute, Blown Bottle, Shakuhachi, Whistle, Ocarina, Lead 1 (square), Lead 2 (sawtooth), Lead 3 (calliope), "
    "Lead 4 (chiff), Lead 5 (charang), Lead 6 (voice), Lead 7 (fifths), Lead 8 (bass + lead), Pad 1 (new age), "
    "Pad 2 (warm), Pad 3 (polysynth), Pad 4 (choir), Pad 5 (bowed), Pad 6 (metallic), Pad 7 (halo), Pad 8 (sweep), "
    "FX 1 (rain), FX 2 (soundtrack), FX 3 (crystal), FX 4 (atmosphere), FX 5 (brightness), FX 6 (goblins), "
    "FX 7 (echoes), FX 8 (sci-fi), Sitar, Banjo, Shamisen, Koto, Kalimba, Bagpipe, Fiddle, Shanai, Tinkle Bell, Agogo, "
    "Steel Drums, Woodblock, Taiko Drum, Melodic Tom, Synth Drum, Reverse Cymbal, Guitar Fret Noise, Breath Noise, "
    "Seashore, Bird Tweet, Telephone Ring, Helicopter, Applause, Gunshot"
)
PROGRAMS = tuple(_PROGRAMS.split(", "))  # of programs 0 to 127
_FAMILIES = (
    "Piano,Chromatic percussion,Organ,Guitar,Bass,Strings,Ensemble,Brass,"
    "Reed,Pipe,Synth lead,Synth pad,Synth effects,World,Percussive,Sound effects"
)
FAMILIES = tuple(_FAMILIES.split(","))  # of eight programs each
_DRUMS = (
    "Bass drum 2,Bass drum,Side stick,Snare,Hand clap,Snare 2,Low floor tom,Closed hi-hat,High floor tom,Pedal hi-hat,"
    "Low tom,Open hi-hat,Low-mid tom,High-mid tom,Crash,High tom,Ride,China,Ride bell,Tambourine,Splash,Cowbell,Crash 2,"
    "Vibraslap,Ride 2,High bongo,Low bongo,Muted conga,High conga,Low conga,High timbale,Low timbale,High agogo,Low agogo,"
    "Cabasa,Maracas,Short whistle,Long whistle,Short guiro,Long guiro,Claves,High woodblock,Low woodblock,Muted cuica,"
    "Open cuica,Muted triangle,Open triangle"
)
DRUMS = dict(enumerate(_DRUMS.split(","), 35))  # by MIDI pitch


def drum_name(pitch: int) -> str:
    """Name of a General MIDI drum, or 'drum N' outside 35-81.

    >>> drum_name(38), drum_name(20)
    ('Snare', 'drum 20')
    """
    return DRUMS.get(pitch, f"drum {pitch}")


def instrument_name(part: Part) -> str:
    """The General MIDI name of a part's instrument.

    >>> from melody.piece import Part
    >>> instrument_name(Part(40)), instrument_name(Part(0, is_drum=True))
    ('violin', 'drums')
    """
    return "drums" if part.is_drum else PROGRAMS[part.program].lower()
