"""A comparison as a table: cells of text for the screen, CSV, LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

HEADER = (
    "variant", "valid", "test", "95 %", "to the first", "repeats", "new", "rate", "parameters", "notes/s", "us/note",
)  # fmt: skip
_LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$"}


def cells(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The rows of a result of `melody.comparison.trials`, as text.

    Nats a note on valid and test, lower is better; the interval over pieces; the difference to the first variant; nats an
    event where a repeat goes on, and elsewhere; the learning rate that was found; the weights; notes a second in training;
    microseconds a note in generation.
    """
    return [_row(row) for row in rows]


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    test, other = row["test"], row.get("difference")
    is_first = other is not None and other["low"] == other["high"] == 0
    return (
        row["title"],
        f"{row['valid']:.3f}",
        f"{test['value']:.3f}",
        f"{test['low']:.3f}-{test['high']:.3f}",
        "" if other is None or is_first else f"{other['value']:+.3f} ({other['low']:+.3f} to {other['high']:+.3f})",
        f"{row['repeat']:.3f}" if "repeat" in row else "",
        f"{row['new']:.3f}" if "new" in row else "",
        f"{row['rate']:g}" if "rate" in row else "",
        f"{row['parameters']:,}" if "parameters" in row else "",
        f"{row['notes_per_second']:,.0f}" if "notes_per_second" in row else "",
        f"{row['microseconds']:.0f}" if "microseconds" in row else "",
    )


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """All numbers, unrounded, a line a row."""
    text = io.StringIO()
    of_test = ("low", "high", "difference", "difference_low", "difference_high")
    of_run = ("repeat", "new", "rate", "parameters", "width", "notes_per_second", "microseconds")
    names = ("name", "title", "valid", "test", *of_test, *of_run)
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        test, other = row["test"], row.get("difference") or {}
        flat = {name: row.get(name, "") for name in names} | {
            "test": test["value"],
            "low": test["low"],
            "high": test["high"],
        }
        flat |= {"difference": other.get("value", ""), "difference_low": other.get("low", "")}
        writer.writerow(flat | {"difference_high": other.get("high", "")})
    return text.getvalue()


def to_latex(rows: Sequence[Mapping[str, Any]]) -> str:
    """A tabular, with booktabs."""
    lines = [" & ".join(map(_escaped, line)) + r" \\" for line in (HEADER, *cells(rows))]
    body = "\n".join([lines[0], r"\midrule", *lines[1:]])
    return "\\begin{tabular}{l" + "r" * (len(HEADER) - 1) + "}\n\\toprule\n" + body + "\n\\bottomrule\n\\end{tabular}\n"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
