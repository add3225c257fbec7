"""The command line: parse, one library call, show.

Every error that a user can cause is one line on stderr and exit code 2. The paths of what is written, one a line, and what
a command is asked to show go to stdout, so that they can be piped; progress and remarks go to stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from functools import cache
from importlib import import_module
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from melody.cli import screen, signals
from melody.text import counted

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Command(TyperCommand):
    """A command whose help says MODEL, where typer writes {MODEL} in the usage and <str> beside the argument."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the command's name."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, in which an argument has no type: its name and its sentence explain it."""
        for argument in (each for each in self.params if isinstance(each, TyperArgument)):
            argument.type = copy(argument.type)  # of its own: options share the original
            vars(argument.type)["get_metavar"] = lambda **_: ""
        super().format_help(ctx, formatter)


class Commands(TyperGroup):
    """All commands, what most people want first."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the help."""
        return [name for name in _ORDER if name in self.commands]


class App(typer.Typer):
    """The commands."""

    def command(self, name: str | None = None, **facts: Any) -> Callable[[_Function], _Function]:
        """Declare a command, see `typer.Typer.command`."""
        return super().command(name, cls=Command, **facts)


app = App(
    name="melody",
    cls=Commands,
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
    "make": ("generate", "continue"),
    "train": ("train",),
    "model_list": ("models",),
    "change": ("vary", "harmonize"),
    "show": ("render", "plot", "score"),
    "learn": ("corpus", "prepare"),
    "measure": ("evaluate", "report", "inspect"),
    "networks.comparing": ("compare",),
    "networks.tuning": ("tune",),
    "copies": ("originality",),
    "share": ("export",),
    "along.jamming": ("jam",),
    "along.osc_door": ("osc",),
    "along.bridging": ("bridge",),
    "along.serving": ("mcp",),
    "studio.open_studio": ("studio",),
}
_ORDER = [word for words in COMMANDS.values() for word in words]
typed: list[str] = []  # the words of the command that runs
_COMPLETING = "_MELODY_COMPLETE"  # set by the shell that asks what a word may become


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done, 2 the user can mend it, 130 interrupted (Ctrl-C), 143 ended (SIGTERM).
    """
    with signals.noted():
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        except KeyboardInterrupt:
            return _fail(f"interrupted{_stays() or '; nothing was written'}", signals.exit_code())


def _run(arguments: list[str]) -> int:
    from melody.errors import MelodyError
    from melody.threads import wait_shortly

    wait_shortly()
    screen.begin()
    typed[:] = arguments
    asked = _asked(arguments)
    if asked != "train":
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's products here are too small for more
    try:
        for name in _modules(asked):
            import_module(f"melody.cli.{name}")
        code = _parser(len(app.registered_commands))(arguments, prog_name="melody", standalone_mode=False) or 0
        if signals.received or code == signals.CTRL_C:  # typer makes an exit code of KeyboardInterrupt, training a result
            raise KeyboardInterrupt
        screen.end()
        return code
    except MelodyError as error:
        return _fail(str(error), signals.exit_code() if signals.received else 2)
    except (screen.ReaderGone, BrokenPipeError):
        screen.give_up()
        return 0
    except OSError as error:  # not of writing files, which raises a MelodyError
        screen.give_up()
        what = f"{error.filename}: {error.strerror}" if error.filename else f"cannot print ({error.strerror})"
        return _fail(f"{what}{_stays()}")
    except MemoryError:
        return _fail(f"there is not enough memory for this; ask for less{_stays()}")
    except Exception as error:
        return _refused(error, asked)


@cache
def _parser(commands: int) -> Callable[..., Any]:
    """What parses so many commands: it takes as long as a short command itself, and `main` may be called again and again."""
    return typer.main.get_command(app)


def _asked(arguments: list[str]) -> str:
    """The command that is asked for, or that is being typed."""
    if _COMPLETING not in os.environ:
        return "".join(arguments[:1])
    words = os.environ.get("_TYPER_COMPLETE_ARGS", os.environ.get("COMP_WORDS", "")).split()
    return "".join(words[1:2])


def _modules(asked: str) -> list[str]:
    """The modules that the command needs; all of them for the help.

    Raises
    ------
    MelodyError
        If there is no such command.
    """
    from melody.errors import MelodyError

    found = [name for name, words in COMMANDS.items() if asked in words]
    if found or not asked or asked.startswith("-") or _COMPLETING in os.environ:
        return found or list(COMMANDS)
    near = _near(asked, _ORDER)
    raise MelodyError(f"there is no command '{asked}'{near} (see melody --help)")


def _near(word: str, known: list[str]) -> str:
    """What may have been meant, as part of a sentence."""
    from difflib import get_close_matches

    bare = {name.lstrip("-"): name for name in known}
    asked = word.lstrip("-")
    near = [each for each in bare if len(asked) > 1 and each.startswith(asked)] or get_close_matches(asked, bare, n=1)
    return f"; did you mean {' or '.join(bare[each] for each in near)}?" if near else ""


def _refused(error: Exception, asked: str) -> int:
    """What the parser refuses: an unknown option, a missing argument."""
    if type(error).__name__ == "Abort":  # what typer makes of KeyboardInterrupt
        raise KeyboardInterrupt from error
    if type(error).__name__ == "Exit":
        return int(getattr(error, "exit_code", 2))
    if not hasattr(error, "format_message"):
        raise error
    context, message = getattr(error, "ctx", None), str(error.format_message())
    if context and hasattr(error, "option_name") and hasattr(error, "possibilities"):
        known = [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]
        message = f"there is no option {error.option_name}{_near(error.option_name, known)}"
    return _fail(f"{message} (see {context.command_path if context else 'melody'} --help)")


def _stays() -> str:
    """What has been written, as part of a sentence."""
    paths = screen.written
    more = f" and {counted(len(paths) - 1, 'other file')}" if len(paths) > 1 else ""
    return f"; what is written stays: {paths[-1]}{more}" if paths else ""


def _fail(message: str, code: int = 2) -> int:
    with suppress(OSError):  # where stderr takes nothing, the exit code is the message
        if sys.stderr is not None:
            print(f"melody: {screen.one_line(message)}", file=sys.stderr, flush=True)
    return code


def run() -> None:
    """The `melody` command."""
    sys.exit(main())
