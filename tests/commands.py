"""Commands in processes of their own, that need no second for their libraries.

A process loads the libraries once, and each command is a fork of it: it has its own exit code, streams, folder and
environment. Where a test is about loading, signals or how Python ends, it starts a Python of its own.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

LOADED = ("melody.training.run", "melody.evaluation.evaluate", "melody.sampling", "melody.cli")
COMMAND = "from melody.cli import run; run()"


def melody(*arguments: object, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command; check its exit code and that it never shows a traceback."""
    done = ran(COMMAND, *arguments, cwd=cwd, COLUMNS="200")
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    if expect:
        assert [line.startswith("melody: ") for line in done.stderr.splitlines()].count(True) == 1, done.stderr
        assert done.stderr.splitlines()[-1].startswith("melody: ")
    return done


def ran(code: str, *arguments: object, cwd: Path, seconds: int = 300, **variables: str) -> subprocess.CompletedProcess[str]:
    """What comes of a script of Python in a process of its own, which ends after so many seconds at the latest."""
    words = ["melody", *map(str, arguments)]
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"} | variables
    if not hasattr(os, "fork"):
        command = [sys.executable, "-c", code, *words[1:]]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=seconds)
    with TemporaryDirectory() as folder:
        streams = {name: f"{folder}/{name}" for name in ("stdout", "stderr")}
        order = {"code": code, "words": words, "cwd": str(cwd), "environment": environment, "seconds": seconds, **streams}
        exit_code = _ordered({"wait": _ordered(order)})
        said = {name: Path(path).read_text("utf-8") for name, path in streams.items()}
    return subprocess.CompletedProcess(words, exit_code, **said)


@dataclass
class Begun:
    """A process that runs, its output as it comes; much like a `subprocess.Popen`."""

    number: int
    stdout: IO[str]
    stderr: IO[str]
    returncode: int | None = None

    def send_signal(self, number: int) -> None:
        os.kill(self.number, number)

    def communicate(self) -> tuple[str, str]:
        """Wait for its end; gives what it has printed and said since."""
        with self.stdout, self.stderr:
            said = self.stdout.read(), self.stderr.read()
        self.returncode = _ordered({"wait": self.number})
        return said


def begun(code: str, *arguments: object, cwd: Path, folder: Path, seconds: int = 300) -> Begun:
    """A script of Python begun in a process of its own; in the folder its streams come to lie."""
    folder.mkdir()
    streams = {name: f"{folder}/{name}" for name in ("stdout", "stderr")}
    for path in streams.values():
        os.mkfifo(path)
    order = {"code": code, "words": ["melody", *map(str, arguments)], "cwd": str(cwd), "seconds": seconds}
    number = _ordered({**order, "environment": os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}, **streams})
    return Begun(number, *(open(path, encoding="utf-8") for path in streams.values()))


def _ordered(order: dict[str, Any]) -> int:
    """What the process answers to an order: the number of the fork that runs a script, or the exit code of one."""
    parent = _parent()
    assert parent.stdin is not None and parent.stdout is not None
    parent.stdin.write(json.dumps(order) + "\n")
    parent.stdin.flush()
    return int(parent.stdout.readline())


@cache
def _parent() -> subprocess.Popen[str]:
    """The process that the commands are forked off; it goes when this one does."""
    command, environment = [sys.executable, __file__], os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)
    return process


def _serve() -> None:
    """Fork for each order and say its number, or say the exit code of what was forked."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell starts in the background
    sys.path.pop(0)  # this folder
    for name in LOADED:
        import_module(name)
    gc.collect()
    gc.freeze()  # or each fork would go through all of it
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if not answer:
                answers.close()
                os._exit(_become(order))  # to take the libraries down takes longer than most commands
        print(answer, file=answers, flush=True)


def _become(order: dict[str, Any]) -> int:
    """Run the script where it is to run; gives the exit code that Python would end with."""
    signal.alarm(order["seconds"])
    for number, path in enumerate((os.devnull, order["stdout"], order["stderr"])):
        stream = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["cwd"])
    sys.argv[:] = order["words"]
    sys.path.insert(0, "")
    code = 0
    try:
        exec(order["code"], {"__name__": "__main__"})
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    _serve()
