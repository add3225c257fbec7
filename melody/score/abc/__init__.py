"""ABC 2.1: written by `to_abc`, and read as far as it sounds: bytes -> lines -> symbols -> voices -> `Piece` (`from_abc`).

Conventions
-----------
The standard is https://abcnotation.com/wiki/abc:standard:v2.1; "section" in this package means one of its sections.

- An accidental holds to the bar line in all octaves (section 11.3: the default of `propagate-accidentals` is `pitch`; the
  directive is obeyed). A tie carries the accidental of its first note over the bar line.
- Pitches are read as they sound: `transpose=`, `octave=`, `clef=treble-8` and `%%MIDI transpose` move the pitch.
- Grace notes, chord symbols, annotations, decorations and lyrics have no time of their own and are left out; an accidental
  in a grace note does not hold beyond it.
- Repeats, variant endings and part orders (`P:ABA`) are not played out: what a page shows is what is read.
- Voices run side by side, each by its own sum of lengths; an overlay (`&`) begins again at the last bar line.
- What cannot be read is left out, and the repairs name it in one sentence for each kind; the rest is kept.
"""
