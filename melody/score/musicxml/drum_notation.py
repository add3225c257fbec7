"""Drums on a staff: the place and the notehead of each General MIDI drum, for writing and for reading."""

# Where a General MIDI drum stands in the usual drum-kit notation (N. Weinberg, Guidelines for Drumset Notation, 1998).
DRUMS = {
    36: ("F4", "normal"),
    35: ("E4", "normal"),
    44: ("D4", "x"),
    38: ("C5", "normal"),
    40: ("C5", "diamond"),
    37: ("C5", "x"),
    39: ("E5", "x"),
    41: ("G4", "normal"),
    43: ("A4", "normal"),
    45: ("B4", "normal"),
    47: ("D5", "normal"),
    48: ("E5", "normal"),
    50: ("F5", "normal"),
    42: ("G5", "x"),
    46: ("G5", "circle-x"),
    49: ("A5", "x"),
    57: ("B5", "x"),
    55: ("A5", "diamond"),
    52: ("A5", "circle-x"),
    51: ("F5", "x"),
    53: ("F5", "diamond"),
    59: ("F5", "circle-x"),
    54: ("D5", "x"),
    56: ("E5", "triangle"),
}
OTHER_DRUM = ("B4", "x")
