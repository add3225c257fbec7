"""`scripts/reproduce` and docs/results.md tell of the same; what is done is not done again."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import reproduce  # noqa: E402
from reproduce import JOBS, Job, commands, main  # noqa: E402

RESULTS = (ROOT / "docs" / "results.md").read_text("utf-8")


def test_the_document_has_every_job_and_no_other() -> None:
    assert sorted(re.findall(r"^### (.+)$", RESULTS, re.MULTILINE)) == sorted(job.name for job in JOBS)


def test_the_commands_of_the_document_are_those_of_the_jobs() -> None:
    """As far as a section names one: with the folder of Nottingham in capitals, and without where results are written."""
    words = " ".join(RESULTS.split())
    for job in JOBS:
        section = words.partition(f"### {job.name} ")[2].partition(" ### ")[0].partition(" ## ")[0]
        known = [
            " ".join(each).partition(" --out ")[0] for each in commands(job, Path("results"), Path("NOTTINGHAM"), 1) or ()
        ]
        for command in re.findall(r"`((?:melody|python) [^`]+)`", section):
            assert command in known or "MODEL" in command, (job.name, command)


def test_minutes_are_scaled_and_missing_music_is_passed_over() -> None:
    job = Job("a", ("melody compare {nottingham} --minutes {minutes:60} --out {out}",))
    assert commands(job, Path("r"), None, 1) is None
    assert commands(job, Path("r"), Path("n"), 0.1) == [["melody", "compare", "n", "--minutes", "6", "--out", "r/a"]]


def test_what_is_done_is_passed_over_and_what_failed_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    good, bad = Job("good", ("python -c pass",)), Job("bad", ("python -c 1/0",))
    monkeypatch.setattr(reproduce, "JOBS", (good, bad))
    for said in ("good: done in", "good: done already"):
        assert main(["--results", str(tmp_path)]) == 1
        shown = capsys.readouterr().out
        assert said in shown and "bad: failed; see" in shown
    assert "ZeroDivisionError" in (tmp_path / "bad.txt").read_text()
    assert main(["--results", str(tmp_path), "--only", "good", "--again"]) == 0 and "done in" in capsys.readouterr().out
    assert main(["--results", str(tmp_path), "--list"]) == 0 and "good (done)" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--minutes", "0"])
