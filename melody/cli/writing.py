"""What commands that make tunes have in common: tunes written, checked, told of and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from melody import files
from melody.cli.options import Writing
from melody.errors import MelodyError, SamplingError
from melody.limits import Limits

if TYPE_CHECKING:
    from melody.piece import Piece
    from melody.sampling import Model, SamplingSettings
    from melody.sampling.whole import Continued


def targets_of(out: Path | None, stem: str, count: int) -> list[Path]:
    """One path a tune: the file that was named, or numbered files in the folder that was named."""
    out = Path("tunes") if out is None else out
    if out.suffix.lower() in (".mid", ".midi"):
        if count > 1:
            raise SamplingError(f"--out names one file, {out}, for {count} tunes; name a folder")
        return [out]
    if out.suffix and not out.is_dir():
        raise SamplingError(f"--out is {out}; a tune is written as .mid: name a file ending in .mid, or a folder")
    width = max(len(str(count)), 2)
    return [out / f"{stem}-{i + 1:0{width}}.mid" for i in range(count)]


@dataclass(frozen=True)
class Made:
    """A tune, where its file is to stand, and what is known of it."""

    path: Path
    piece: Piece
    prompt_end: int = 0
    remarks: tuple[str, ...] = ()
    first_bar: int | None = None
    removed: float = 0.0
    nats: float = float("nan")
    faults: tuple[str, ...] = ()
    in_file: Continued | None = None  # if it was put into the bytes of a file
    data: bytes = b""  # the bytes to write, if they are not those of the piece alone


def write_tunes(made: Sequence[Made], writing: Writing, limits: Limits) -> None:
    """Write each tune, and its sound and picture if they are wanted; none if one breaks a limit."""
    data = [_checked(tune, limits) for tune in made]
    if made[0].path != writing.out:  # a folder was named, or none
        files.make_folder(made[0].path.parent)
    for tune, written in zip(made, data):
        files.write_bytes(tune.path, written)
        print(tune.path)
        if writing.wav:
            from melody.render import render_wav

            render_wav(tune.piece, tune.path.with_suffix(".wav"))
            print(tune.path.with_suffix(".wav"))
        if writing.png:
            from melody.report.roll import write_plot

            write_plot(tune.piece, tune.path.with_suffix(".png"), prompt_end=tune.prompt_end)
            print(tune.path.with_suffix(".png"))
        _tell(tune, limits)


def _checked(tune: Made, limits: Limits) -> bytes:
    """The bytes of the file, which have been read back and keep to the limits."""
    from melody import midi
    from melody.limits import verify

    data = tune.in_file.data if tune.in_file else tune.data or midi.to_bytes(tune.piece)
    if limits != Limits():
        grid = tune.piece.ticks_per_quarter
        piece = tune.in_file.heard_again() if tune.in_file else midi.parse(data, ticks_per_quarter=grid).piece
        breaches = verify(piece, limits, start=tune.prompt_end, first_bar=tune.first_bar)
        if breaches:
            raise MelodyError(
                f"the tune breaks a limit, which is a fault of this program ({breaches[0]}); nothing is written, report it"
            )
    return data


def _tell(tune: Made, limits: Limits) -> None:
    """On stderr what there is to say of a tune: what the limits took, how likely it is, what is wrong with it."""
    told = [f"the limits took {tune.removed:.1%} of the probability"] if limits.more_than_bars else []
    told += [f"{tune.nats:.3f} nats a note"] if tune.nats == tune.nats else []
    told += [", ".join(tune.faults)] if tune.faults else []
    if told:
        from melody.cli.screen import say

        say(f"{tune.path.name}: {'; '.join(told)}")


def write_page(made: Sequence[Made], heading: str, model: Model, settings: SamplingSettings, limits: Limits) -> None:
    """One page with all the tunes, beside them."""
    from melody.report import page
    from melody.report.tunes import page_tune

    path = made[0].path.with_suffix(".html") if len(made) == 1 else made[0].path.parent / "index.html"
    tunes = [page_tune(t.path.stem, t.piece, prompt_end=t.prompt_end, remarks=t.remarks) for t in made]
    told = {"model": f"{model.file.name} {model.file.fingerprint}"} | {
        k.replace("_", "-"): str(v) for k, v in asdict(settings).items() if v is not None
    }
    told |= dict(word.split("=", 1) for word in limits.told.split(" ") if "=" in word) if limits.more_than_bars else {}
    page.write_page(path, tunes, heading=heading, settings=told)
    print(path)
