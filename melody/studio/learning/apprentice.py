"""The process that trains: a folder of uploads in, a model file out, and records of all that happens on the way."""

from __future__ import annotations

import math
import os
import re
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from melody.errors import MelodyError

MAX_VERDICTS = 300  # that are shown: those that were not kept first
NGRAM_EVENTS = 300_000  # of the training pieces, that the live n-gram counts
Record = dict[str, Any]


@dataclass(frozen=True)
class Lesson:
    """What is to be trained.

    Parameters
    ----------
    folder
        The uploads.
    out
        The model file.
    minutes
        The run is planned to end within this time.
    resume
        Go on with a run of this model that was stopped.
    base
        A model file to adapt; None to train from scratch.
    """

    folder: Path
    out: Path
    minutes: float
    resume: bool = False
    base: Path | None = None


def train(connection: Connection, lesson: Lesson) -> None:
    """Train, and send records; a word that comes, or the end of whoever listens, is as Ctrl-C to `melody train`."""
    asked = threading.Event()

    def interrupt(number: int, frame: object) -> None:
        asked.set()
        raise KeyboardInterrupt

    def send(kind: str, **facts: Any) -> None:
        with suppress(OSError):  # nobody listens
            connection.send({"kind": kind, **facts})

    def report(kind: str, **facts: Any) -> None:
        send(kind, **facts)
        if asked.is_set():  # and the interrupt was lost, as in what Python calls when it clears away
            signal.raise_signal(signal.SIGINT)

    try:
        signal.signal(signal.SIGINT, interrupt)
        threading.Thread(target=_heed, args=(connection,), daemon=True).start()
        kind, facts = _outcome(lesson, report, asked)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # there is nothing left to stop
    except KeyboardInterrupt:
        if lesson.out.exists():
            kind, facts = "done", {"sentence": "It was stopped; the best model so far is kept.", "model": lesson.out.stem}
        else:
            kind, facts = "refused", {"sentence": "stopped before there was a model"}
    send(kind, **facts)


def _outcome(lesson: Lesson, report: Callable[..., None], asked: threading.Event) -> tuple[str, Record]:
    """Train to the end; gives the kind of the last record and what it says."""
    try:
        return "done", _run(lesson, report)
    except MelodyError as error:
        return "refused", {"sentence": in_the_pages_words(str(error))}
    except Exception as error:
        if asked.is_set():  # what became of the interrupt, as in the middle of an import
            raise KeyboardInterrupt from error
        traceback.print_exc()
        return "refused", {"sentence": "this is a fault of the program; what it says stands where melody studio runs"}


def _heed(connection: Connection) -> None:
    """Interrupt the training as soon as somebody says so, or nobody is there any more."""
    with suppress(EOFError, OSError):
        connection.recv()
    if os.name == "nt":
        signal.raise_signal(signal.SIGINT)
    else:
        os.kill(os.getpid(), signal.SIGINT)  # wakes the main thread as well, where it waits


def in_the_pages_words(text: str) -> str:
    """A message of the library, with keywords between backticks, as somebody reads it who has the page before him.

    >>> in_the_pages_words("go on with `resume=True` or train with `max_minutes=40`, `from_='fiddle'`")
    'press Go on or train with 40 minutes, Begin from fiddle'
    """
    text = re.sub(r"`(?:max_)?(minutes|epochs)=([\d.]+)`", r"\2 \1", text.replace("go on with `resume=True`", "press Go on"))
    return re.sub(r"`from_='(\w+)'`", r"Begin from \1", text)


def _run(lesson: Lesson, send: Callable[..., None]) -> Record:
    """Train, and report on the way; gives how it ended."""
    from melody import modelfile
    from melody.corpus import PrepareSettings, prepare
    from melody.evaluation.ngram import best_ngram, some_of
    from melody.extras import need
    from melody.training.run import fit
    from melody.training.settings import settings_from

    need("training", "torch", "pytorch_lightning")
    start = None if lesson.base is None else modelfile.load(lesson.base)
    settings = PrepareSettings(ticks_per_quarter=start.vocabulary.ticks_per_quarter if start else "auto")
    corpus = prepare(
        lesson.folder, settings, on_progress=lambda done: send("reading", done=done.done, files=done.files, notes=done.notes)
    )
    verdicts = sorted((verdict.to_dict() for verdict in corpus.verdicts), key=lambda each: each["status"] == "kept")
    shown = [{name: each[name] for name in ("path", "status", "reason", "notes")} for each in verdicts[:MAX_VERDICTS]]
    send("verdicts", lines=[*corpus.summary(), *corpus.remarks], verdicts=shown, more=max(len(verdicts) - MAX_VERDICTS, 0))
    rows, valid = some_of(corpus.rows("train"), NGRAM_EVENTS), corpus.rows("valid")
    if len(valid):
        ngram = best_ngram(corpus.vocabulary, rows, valid, (3, 5, 8))
        send("ngram", nats=round(ngram.score(valid).nats_per_note, 3), order=ngram.order)
    result = fit(
        corpus,
        lesson.out,
        settings_from({"max_minutes": lesson.minutes, "samples": 5}),
        start=start,
        resume=lesson.resume,
        on_plan=lambda plan, why: send("plan", lines=plan.lines, why=why, epochs=plan.epochs),
        on_epoch=lambda epoch: send(
            "epoch",
            number=epoch.number,
            epochs=epoch.epochs,
            train=_finite(epoch.train),
            valid=_finite(epoch.valid),
            best=epoch.is_best,
        ),
        on_alarm=lambda alarm: send("alarm", sentence=in_the_pages_words(alarm.sentence)),
    )
    facts = {"test": _finite(result.test), "ngram": _finite(result.ngram), "unigram": _finite(result.unigram)}
    return {"sentence": in_the_pages_words(result.sentence), "model": lesson.out.stem, **facts}


def _finite(nats: float) -> float | None:
    """A number as JSON has it: None for what is none."""
    return round(nats, 4) if math.isfinite(nats) else None
