"""The command line: parse, one library call, show.

Every error that a user can cause is one line on stderr and exit code 2. What is written is printed on stdout, one path a
line, so that it can be piped; everything else goes to stderr.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated

import typer

app = typer.Typer(
    name="melody",
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context,
    show: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Train an LSTM on a folder of MIDI files, write new tunes in its style, continue a melody."""
    if show:
        from melody import __version__

        print(f"melody {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


# Where each command is: only the module of the one that was asked for is loaded, which shortens every start.
COMMANDS = {
    "learn": ("corpus", "prepare"),
    "train": ("train",),
    "make": ("generate", "continue"),
    "change": ("vary", "harmonize"),
    "measure": ("evaluate",),
    "share": ("export",),
    "show": ("render", "plot", "score"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 the user can mend it, 130 interrupted."""
    from melody.errors import MelodyError
    from melody.threads import wait_shortly

    wait_shortly()
    asked = "".join((sys.argv[1:] if arguments is None else arguments)[:1])
    if asked != "train":
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's products here are too small for more
    for name in [name for name, words in COMMANDS.items() if asked in words] or COMMANDS:  # all of them for the help
        import_module(f"melody.cli.{name}")
    try:
        return app(arguments, prog_name="melody", standalone_mode=False) or 0
    except MelodyError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if hasattr(error, "format_message"):  # the parser's own: an unknown option, a missing argument
            context = getattr(error, "ctx", None)
            return _fail(f"{error.format_message()} (see {context.command_path if context else 'melody'} --help)")
        if type(error).__name__ in ("Abort", "Exit"):
            return int(getattr(error, "exit_code", 130))
        raise


def _fail(message: str, code: int = 2) -> int:
    print(f"melody: {' '.join(message.split())}", file=sys.stderr)
    return code


def run() -> None:
    """The `melody` command."""
    sys.exit(main())
