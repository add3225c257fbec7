"""`melody export`: a model for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from melody.cli import app
from melody.cli.make import ModelName
from melody.cli.options import Force
from melody.text import counted

if TYPE_CHECKING:
    from melody.modelfile import ModelFile
    from melody.sampling import Model
    from melody.tokens.vocabulary import Rows

_TUNES = 32  # that the model writes to be measured on if there is no folder


@app.command()
def export(
    model: ModelName,
    to: Annotated[
        Literal["onnx", "int8"], typer.Option(help="onnx with weights of 32 bits, int8 with weights of 8.")
    ] = "onnx",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File to write. Default: MODEL.onnx or MODEL.int8.onnx.", show_default=False),
    ] = None,
    evaluate: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Measure what the export costs on the model's test pieces in this folder or store. Default: on tunes "
            "that it writes itself.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Write a model as an ONNX file that ONNX Runtime runs without this program: one step, state in and state out.

    The file says in its metadata how it is used and holds the vocabulary. What the export costs is measured and reported.

    Example: **melody export fiddle --to int8 --out fiddle.int8.onnx**
    """
    from melody import export as exporting
    from melody import files
    from melody.cli.make import find_model
    from melody.cli.screen import say, show
    from melody.cli.targets import free, named
    from melody.extras import need

    need("an ONNX file and its measurement", "onnx", "onnxruntime")
    loaded = find_model(model)
    default = Path(f"{loaded.file.name}{'.int8' if to == 'int8' else ''}.onnx")
    out = free(default, force) if out is None else named(out, force)
    exporting.check_suffix(out)
    pieces = _own_tunes(loaded) if evaluate is None else _test_pieces(loaded.file, evaluate)
    data = exporting.to_onnx(loaded.file, to)
    cost = exporting.measure(loaded.file, to, pieces)
    files.write_bytes(out, data)
    say(f"{len(data) / 1e6:.1f} MB; the weights are {exporting.bytes_in_full(loaded.file) / 1e6:.1f} MB in 32 bits")
    where = (
        f"{counted(len(pieces), 'tune')} that it wrote itself" if evaluate is None else counted(len(pieces), "test piece")
    )
    say(f"nats per note on {where}: {cost.before:.4f} as it is, {cost.after:.4f} exported ({cost.after - cost.before:+.4f})")
    show(out)


def _own_tunes(model: Model) -> list[Rows]:
    """On what it writes, the difference in nats is the Kullback-Leibler divergence of the two."""
    from melody.sampling import SamplingSettings

    tunes = model.generate_many(_TUNES, settings=SamplingSettings(any_ending=True))
    return [model.vocabulary.encode(tune) for tune in tunes]


def _test_pieces(file: ModelFile, folder: Path) -> list[Rows]:
    from melody.cli.learn import read_folder
    from melody.cli.screen import say
    from melody.evaluation.heldout import choose, settings_for

    chosen = choose(file, read_folder(folder, settings_for(file)))
    for remark in chosen.remarks:
        say(remark)
    return [piece.rows for piece in chosen.pieces]
