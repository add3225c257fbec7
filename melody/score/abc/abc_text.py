"""The text of an ABC file: its encoding, its tunes, and the kinds of its lines."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from melody.errors import ScoreError

MAX_LINES = 100_000
MAX_TUNES = 1_000  # of one file; since one with several is refused, they are only counted
_NEW_TUNE = re.compile(r"X:")
_FIELD = re.compile(r"([A-Za-z+]):(.*)", re.DOTALL)
_MUSIC_LIKE_A_FIELD = re.compile(r"[A-Ga-gz]:[|:]")  # a note and a repeat sign: `d:|`
_BLOCKS = re.compile(r"begin(text|ps|svg)")
_CHARSET = re.compile(rb"(?m)^(?:%%|I:)\s*(?:abc-)?charset\s+([\w-]{1,20})")


class Line(NamedTuple):
    """`kind` is a field's letter, `%` for a directive, or empty for music."""

    kind: str
    text: str


class Tune(NamedTuple):
    """The lines from `X:` to the empty line, and what else stands there."""

    lines: list[str]
    ignored: int  # lines after the empty line


def decode(content: bytes) -> str:
    """The characters of a file.

    The encoding is that of its byte order mark; else UTF-16 if every other byte is 0; else the first that fits of UTF-8,
    the charset that the file names, and Windows-1252.
    """
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, "replace").lstrip("\ufeff")
    head = content[:64]
    for wide, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        if len(head) > 3 and not any(head[first::2]) and all(head[1 - first :: 2]):
            return content.decode(wide, "replace")
    named = _CHARSET.search(content[:4000])
    for encoding in ("utf-8", named[1].decode("ascii") if named else "cp1252"):
        try:
            return content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("latin-1")


def tunes_of(text: str) -> list[Tune]:
    """The tunes of a file, each preceded by the fields of the file's header (section 2.2.2).

    A tune ends at an empty line after its `K:` (section 2.2.1); text between tunes belongs to none. A file without `X:` is
    one tune.

    Raises
    ------
    ScoreError
        If there are more lines or tunes than are read.
    """
    lines = [line.rstrip() for line in re.split(r"\r\n|\r|\n", text.replace("\0", ""))]
    starts = [i for i, line in enumerate(lines) if _NEW_TUNE.match(line)]
    if len(lines) > MAX_LINES or len(starts) > MAX_TUNES:
        raise ScoreError(f"it has {len(lines):,} lines and {len(starts):,} tunes; give one tune a file")
    if not starts:
        return [_tune(lines)]
    header = _header(lines[: starts[0]])
    tunes = [_tune(lines[start:end]) for start, end in zip(starts, [*starts[1:], len(lines)])]
    return [tune._replace(lines=header + tune.lines) for tune in tunes]


def _header(lines: list[str]) -> list[str]:
    """The fields and directives that stand before the first tune, up to an empty line."""
    found: list[str] = []
    for line in lines:
        if not line and found:
            break
        if _FIELD.match(line) or line.startswith("%%"):
            found.append(line)
    return found


def _tune(lines: list[str]) -> Tune:
    key = next((i for i, line in enumerate(lines) if line.startswith("K:")), len(lines))
    end = next((i for i in range(key, len(lines)) if not lines[i]), len(lines))
    rest = sum(bool(line) and not line.startswith("%") for line in lines[end:])
    return Tune([line for line in lines[:end] if line], rest)


def lines_of(tune: Tune) -> Iterator[Line]:
    """The lines without remarks and blocks of text; `+:` goes on with the field before it (section 3.3)."""
    waiting: Line | None = None
    block = False
    for raw in tune.lines:
        if raw.startswith("%%"):
            directive = raw[2:].strip()
            block = bool(_BLOCKS.match(directive)) or (block and not directive.startswith("end"))
            line = Line("%", directive)
        elif block or raw.startswith("%"):
            continue
        else:
            line = _line(re.split(r"(?<!\\)%", raw, maxsplit=1)[0].rstrip())
        if line.kind == "+" and waiting:
            waiting = Line(waiting.kind, f"{waiting.text} {line.text}")
            continue
        if waiting:
            yield waiting
        waiting = line
    if waiting:
        yield waiting


def _line(text: str) -> Line:
    found = _FIELD.match(text)
    if found and not _MUSIC_LIKE_A_FIELD.match(text):
        return Line(found[1], found[2].strip())
    return Line("", text)


_ACCENTS = dict(zip("`'^~\",vr", "\u0300\u0301\u0302\u0303\u0308\u0327\u030c\u030a"))
_LETTERS = {"/o": "ø", "/O": "Ø", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "ss": "ß", "aa": "å", "AA": "Å"}


def plain(text: str) -> str:
    r"""A text string (section 8.2) without its escapes, entities and control characters.

    >>> plain(r"Caf\'e \u00e9 50\% \& &amp;")
    'Café é 50% & &'
    """
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    text = re.sub(r"\\(/[oO]|ae|AE|oe|OE|ss|aa|AA)", lambda found: _LETTERS[found[1]], text)
    text = re.sub(r"\\([`'^~\",vr])([A-Za-z])", lambda found: found[2] + _ACCENTS[found[1]], text)
    text = html.unescape(re.sub(r"\\(.)", r"\1", text))
    shown = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
    return unicodedata.normalize("NFC", shown).strip()
