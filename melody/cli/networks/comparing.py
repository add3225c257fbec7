"""`melody compare`: kinds of networks side by side on a folder of music."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from melody.cli import app
from melody.cli.learn import Drums, Part, read_folder
from melody.cli.options import Force
from melody.network.settings import Features
from melody.text import counted


@app.command()
def compare(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Folder of music, or a store that melody prepare wrote.", show_default=False),
    ],
    variants: Annotated[
        str,
        typer.Option(
            "--variants",
            metavar="NAMES",
            help="With commas; all of them: 'kinds', what is left out of an LSTM: 'ablations'.",
        ),
    ] = "lstm,gru,rnn,peephole,minlstm,slstm,transformer,plain",
    minutes: Annotated[float, typer.Option(help="Of work, for all of it.", min=0.1)] = 10.0,
    seeds: Annotated[int, typer.Option(help="Runs of each variant.", min=1, max=100)] = 3,
    hidden_size: Annotated[
        int | None,
        typer.Option(
            help="Cells a layer of the LSTM; the others have as many weights. Default: by the music.", min=8, max=4096
        ),
    ] = None,
    features: Annotated[Features, typer.Option(help="none: no variant reads more than notes.")] = "all",
    rate: Annotated[
        float | None,
        typer.Option(help="Learning rate of all. Default: found for each.", min=1e-6, max=1.0, show_default=False),
    ] = None,
    part: Part = "all",
    drums: Drums = True,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where results are kept. Default: NAME-compared.", show_default=False),
    ] = None,
    force: Force = False,
) -> None:
    """Compare kinds of networks on your music: equal size, equal time, a learning rate found for each.

    Ctrl-C loses the run in hand; the same command goes on. It writes a table as CSV and LaTeX, a picture and a page.

    Example: **melody compare my-songs --variants lstm,gru,rnn --minutes 5**
    """
    from melody import files
    from melody.cli.screen import Progress, say, show, table, written
    from melody.corpus import PrepareSettings
    from melody.extras import need

    need("comparing networks", "torch")  # before the folder is read
    prepared = read_folder(folder, PrepareSettings(part=part, drums=drums, workers=0))
    say("loading torch ...")
    from melody.comparison.as_text import HEADER, cells, to_csv, to_latex
    from melody.comparison.trials import NAME, CompareSettings, compare
    from melody.comparison.variants import ABLATIONS, KINDS

    groups = {"kinds": list(KINDS), "ablations": ["lstm", *ABLATIONS], "all": [*KINDS, *ABLATIONS]}
    names = [name for word in variants.split(",") for name in groups.get(word.strip(), [word.strip()]) if name]
    more: dict[str, Any] = {} if rate is None else {"rates": (rate,)}
    settings = CompareSettings(tuple(names), minutes, seeds, hidden_size, features, **more)
    kept = out or Path(f"{folder.stem}-compared")
    if force:
        (kept / NAME).unlink(missing_ok=True)
    say(f"{counted(len(dict.fromkeys(names)), 'variant')}, {settings.seconds:.1f} seconds of work a run")
    with Progress("comparing") as update:

        def on_run(name: str, share: float) -> None:
            update(share, 1.0, name)
            if str(kept / NAME) not in written and (kept / NAME).exists():
                written.append(str(kept / NAME))  # what stays if Ctrl-C comes

        result = compare(prepared, kept, settings, on_run)
    found = cells(result["rows"])
    table(HEADER, found)
    remarks = sentences(result)
    for line in remarks:
        say(line)
    tables = {"table.csv": to_csv(result["rows"]).encode(), "table.tex": to_latex(result["rows"]).encode()}
    tables |= _drawn(f"{folder.stem}: networks side by side", remarks, HEADER, found, result)
    for name, data in tables.items():
        files.write_bytes(kept / name, data)
        show(kept / name)


def sentences(result: dict[str, Any]) -> list[str]:
    """What was done, and what the table's columns are, in words."""
    facts = result["facts"]
    return [
        f"Learnt from {counted(facts['train'], 'piece')}, chosen on {facts['valid']}, measured on {facts['test']} "
        f"({facts['notes']:,} notes); {facts['seconds']:.1f} seconds of work, about {facts['parameters']:,} weights each, "
        f"{counted(facts['seeds'], 'seed')}" + ("" if facts["features"] == "all" else ", no features") + ".",
        "Nats a note, lower is better; intervals of 95 % over pieces. Repeats: nats an event where the piece goes on with "
        "what followed the same events before; new: elsewhere.",
    ]


def _drawn(title: str, remarks: list[str], header: Any, found: Any, result: dict[str, Any]) -> dict[str, bytes]:
    """The picture and the page, if matplotlib is there."""
    from melody.cli.screen import say
    from melody.errors import RenderError
    from melody.report.networks.compared import page, picture

    try:
        drawn = picture(result)
    except RenderError as error:
        say(f"no picture: {error}")
        return {}
    return {"picture.svg": drawn, "report.html": page(title, remarks, header, found, drawn)}
