"""What a caller can cause and can fix.

Every message says three things: what came, what is legal, what to do. The command line prints the message as one line
and exits with 2; anything else that escapes is a bug of ours.
"""


class MelodyError(Exception):
    """Base of every error this package raises on purpose."""


class ArgumentError(MelodyError, TypeError):
    """A call that no function takes: a keyword that it has not, a value of no type that it reads."""


class MissingError(MelodyError, ImportError):
    """A library that is not installed and comes with an extra."""


class PieceError(MelodyError, ValueError):
    """Music that no `Piece` can hold: a pitch of 128, a note of no length, a time signature in mid-bar."""


class MidiError(MelodyError, ValueError):
    """A file that is no MIDI, is damaged beyond use, or exceeds a limit."""


class ScoreError(MelodyError, ValueError):
    """Notation that cannot be read, or music that cannot be put on a page."""


class RenderError(MelodyError):
    """A sound or a picture that cannot be made: no soundfont, no sound device, nothing to show."""


class CorpusError(MelodyError):
    """A folder that cannot be trained on."""


class VocabularyError(MelodyError, ValueError):
    """Music or a request that a vocabulary has no token for."""


class ModelFileError(MelodyError, ValueError):
    """A model file that is missing, cut short, edited, or of another version."""


class TrainingError(MelodyError):
    """Settings or data with which training cannot go on."""


class SamplingError(MelodyError, ValueError):
    """A request for music that cannot be met: temperature below 0, 0 bars, an empty prompt."""


class StudioError(MelodyError):
    """A request of the studio's page that cannot be met."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status  # of HTTP
