"""A tune of a run, with its sound and its score, ready for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from melody import midi
from melody.errors import MelodyError
from melody.piece import Piece
from melody.report.page import PageTune


def page_tune(
    name: str, piece: Piece, *, prompt_end: int = 0, remarks: Sequence[str] = (), settings: Mapping[str, str] | None = None
) -> PageTune:
    """The tune with everything the page shows of it.

    What cannot be made (a score without the extra that engraves, a sound of several hours) is left out, and the reason
    stands among the remarks.
    """
    from melody.render import audio_bytes
    from melody.score.engraving import EngravingSettings, score_bytes, to_svg

    all_remarks = list(remarks)
    sound, mime, pages = None, "audio/wav", []
    forms: dict[str, bytes] = {}
    try:
        sound, mime = audio_bytes(piece)
    except MelodyError as error:
        all_remarks.append(f"no sound: {error}")
    try:
        forms[".mxl"] = score_bytes(piece, ".mxl")
        pages = to_svg(piece, settings=EngravingSettings(single_page=True))
        forms[".pdf"] = score_bytes(piece, ".pdf")
    except MelodyError as error:
        all_remarks.append(f"no score: {error}")
    return PageTune(
        name=name,
        piece=piece,
        midi=midi.to_bytes(piece),
        audio=sound,
        audio_mime=mime,
        score_svgs=tuple(pages),
        remarks=tuple(all_remarks),
        prompt_end=prompt_end,
        settings=settings or {},
        musicxml=forms.get(".mxl"),
        pdf=forms.get(".pdf"),
    )
