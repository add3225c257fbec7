"""The bars of a MusicXML document one after the other, as small trees, in bounded memory; what is damaged is passed over.

Conventions
-----------
Parsed by expat, without namespaces. The document type is ignored, nothing is ever fetched, and a document that declares
entities is refused. A document by parts (score-partwise) and one by bars (score-timewise) give the same bars. Where the
XML is broken, the bar with the damage comes as None and reading goes on with the next bar or part that can be found.
"""

from __future__ import annotations

import re
from typing import Protocol
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from melody.errors import ScoreError

MAX_DEPTH = 64
MAX_TAGS = 2_000_000
MAX_TAGS_IN_BAR = 300_000
MAX_BARS = 100_000  # of all parts
MAX_DAMAGE = 200  # places
_CHUNK = 1 << 16
_NESTING = {"score-partwise": ("part", "measure"), "score-timewise": ("measure", "part")}
_HEADERS = frozenset({"work", "movement-title", "part-list"})
_IN_BARS = frozenset({"note", "backup", "forward", "attributes", "direction", "sound"})
_UNREAD = frozenset({"lyric", "beam", "stem", "accidental", "play", "listen", "footnote", "level"})
_LONG_TAG = re.compile(rb"<[^<>!?][^<>]{20000}")
_PLACES = re.compile(rb"<(/?)(measure|part)(?=[\s>/])")


class Sink(Protocol):
    """Who takes what is found."""

    def header(self, element: Element) -> None:
        """Take `work`, `movement-title` or `part-list`."""

    def bar(self, part: str, index: int, element: Element | None) -> None:
        """Take bar `index` (from 0) of the part with that id; None for a bar that cannot be read."""


class _Resume(Exception):
    """The place, in bytes, from which to go on, since a bar was never closed."""

    def __init__(self, at: int) -> None:
        self.at = at


def read_document(text: str, sink: Sink, repairs: list[str]) -> None:
    """Give the headers and bars of a document to `sink`; what was left out goes to `repairs`.

    Raises
    ------
    ScoreError
        If it is no MusicXML, declares entities, is too large or damaged in too many places.
    """
    data = text.encode("utf-8")
    if not data.strip():
        raise ScoreError("cannot be read as musicxml (it is empty); open it in a notation program and export it again")
    if (tags := data.count(b"<")) > MAX_TAGS:
        raise ScoreError(f"has {tags:,} tags; the limit is {MAX_TAGS:,}; split it into shorter scores")
    if _LONG_TAG.search(data):
        raise ScoreError("has a tag of more than 20,000 letters, which no score needs")
    reader, at = _Reader(sink), 0
    for _ in range(MAX_DAMAGE):
        damage = reader.parse(data, at)
        following = None if damage is None else reader.resume(data, max(damage, at + 1))
        if following is None:
            break
        at = following
    else:
        raise ScoreError(f"is damaged in {MAX_DAMAGE} places or more; open it in a notation program and export it again")
    if not reader.total and (reader.broken_off or not reader.root):
        raise ScoreError(f"cannot be read as musicxml ({reader.reason}); open it in a notation program and export it again")
    repairs += reader.repairs()


class _Reader:
    """Where in the document the parser is: the root, the part and bar being read."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.root = self.outer = self.inner = ""
        self.outer_id: str | None = None  # of the part, or the number of the bar, that is open
        self.within = ""  # the tag of the bar or header that is being read
        self.part = ""
        self.depth = self.skipping = 0
        self.counts: dict[str, int] = {}
        self.outers = self.total = self.tags = 0
        self.builder = TreeBuilder()
        self.damaged: list[str] = []
        self.unclosed = 0
        self.broken_off = False
        self.reason = "a tag is not closed"

    def parse(self, data: bytes, at: int) -> int | None:
        """Parse from byte `at` on; the place of the damage, or None if there is none to the end."""
        context = f"<{self.root}>" if self.root else ""
        context += f"<{self.outer}>" if self.outer_id is not None else ""
        self.depth, self.skipping, self.within = context.count("<"), 0, ""
        parser = expat.ParserCreate("utf-8")
        parser.UseForeignDTD(True)  # what a document type might have declared is passed over rather than an error
        parser.EntityDeclHandler = _no_entities
        base = at - len(context)
        try:
            parser.Parse(context.encode(), False)
            self._attach(parser)
            for start in range(at, len(data), _CHUNK):
                parser.Parse(data[start : start + _CHUNK], False)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            self.reason = expat.ErrorString(error.code)
            return base + parser.ErrorByteIndex
        except _Resume as there:
            return base + there.at
        return None

    def _attach(self, parser: expat.XMLParserType) -> None:
        parser.buffer_text = True
        parser.StartElementHandler = lambda tag, attributes: self._start(tag, attributes, parser)
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def _start(self, tag: str, attributes: dict[str, str], parser: expat.XMLParserType) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ScoreError(f"has tags nested more than {MAX_DEPTH} deep, which no score needs")
        if self.skipping:
            self.skipping += 1
        elif self.within:
            self._inside(tag, attributes, parser)
        elif self.depth == 1:
            self._begin(tag)
        elif self.depth == 2 and tag == self.outer:
            self._open_outer(attributes.get("id", ""))
        elif self.depth == 3 and self.outer_id is not None and tag in (self.inner, self.outer):
            if tag == self.outer:  # the one before was not closed
                self.outer_id = None
                self.unclosed += 1
                raise _Resume(parser.CurrentByteIndex)
            self.part = self.outer_id if self.outer == "part" else attributes.get("id", "")
            self._open(tag, attributes)
        elif self.depth == 2 and tag in _HEADERS:
            self._open(tag, attributes)
        else:
            self.skipping = 1

    def _begin(self, tag: str) -> None:
        if tag not in _NESTING:
            known = "an opus, a list of scores; give one of them" if tag == "opus" else f"<{tag[:40]}>"
            raise ScoreError(f"cannot be read as musicxml (it is {known}); a score is <score-partwise> or <score-timewise>")
        self.root, (self.outer, self.inner) = tag, _NESTING[tag]

    def _open_outer(self, name: str) -> None:
        self.outers += 1
        self.outer_id = f"{name}#{self.outers}" if self.outer == "part" and name in self.counts else name

    def _open(self, tag: str, attributes: dict[str, str]) -> None:
        self.within, self.builder, self.tags = tag, TreeBuilder(), 0
        self.builder.start(tag, attributes)

    def _inside(self, tag: str, attributes: dict[str, str], parser: expat.XMLParserType) -> None:
        if tag == self.inner and self.within == self.inner:  # the bar before was not closed
            if self.depth == 4:  # but all that is in it was
                self.builder.end(tag)
                self._close()
                self.unclosed += 1
            raise _Resume(parser.CurrentByteIndex)
        if tag in _UNREAD or (self.depth == 4 and self.within == self.inner and tag not in _IN_BARS):
            self.skipping = 1
        else:
            self.tags += 1
            if self.tags > MAX_TAGS_IN_BAR:
                raise ScoreError(f"has more than {MAX_TAGS_IN_BAR:,} tags in one bar; split it into shorter scores")
            self.builder.start(tag, attributes)

    def _text(self, text: str) -> None:
        if self.within and not self.skipping:
            self.builder.data(text)

    def _end(self, tag: str) -> None:
        self.depth -= 1
        if self.skipping:
            self.skipping -= 1
        elif self.within:
            self.builder.end(tag)
            if self.depth == (2 if self.within == self.inner else 1):
                self._close()
        elif self.depth == 1:
            self.outer_id = None

    def _close(self) -> None:
        element, self.within = self.builder.close(), ""
        if element.tag == self.inner:
            self._give(self.part, element)
        else:
            self.sink.header(element)

    def _give(self, part: str, element: Element | None) -> None:
        self.total += 1
        if self.total > MAX_BARS:
            raise ScoreError(f"has more than {MAX_BARS:,} bars in all its parts; split it into shorter scores")
        index = self.counts.get(part, 0) if self.outer == "part" else self.outers - 1
        self.counts[part] = index + 1
        if element is None:
            self.damaged.append(f"bar {index + 1} of part {part[:40] or '?'}")
        self.sink.bar(part, index, element)

    def resume(self, data: bytes, damage: int) -> int | None:
        """Where to go on after damage at that byte: the bar is given as one that cannot be read. None if nowhere."""
        in_bar, known = self.within == self.inner != "", len(self.damaged)
        for match in _PLACES.finditer(data, damage):
            closes, tag = bool(match[1]), match[2].decode()
            if tag == self.inner and self.outer_id is not None:
                if closes or in_bar:
                    self._lose(in_bar)
                return data.find(b">", match.end()) + 1 or None if closes else match.start()
            if tag == self.outer and (self.outer_id is not None or not closes):
                if in_bar:
                    self._lose(in_bar)
                elif known == len(self.damaged) and not closes:
                    self.damaged.append("what stands before a part" if self.outer == "part" else "what stands before a bar")
                self.outer_id = self.outer_id if closes else None
                return match.start()
        self.broken_off = True
        return None

    def _lose(self, in_bar: bool) -> None:
        if self.outer == "part" or in_bar:
            self._give((self.outer_id or "") if self.outer == "part" else self.part, None)

    def repairs(self) -> list[str]:
        """What was left out, in sentences."""
        found = []
        if self.damaged:
            more = f" and {len(self.damaged) - 3} more places" if len(self.damaged) > 3 else ""
            found.append(f"{', '.join(self.damaged[:3])}{more}: damaged ({self.reason}), left empty")
        if self.unclosed:
            found.append(f"bars or parts that are not closed ({self.unclosed}): closed where the next begins")
        if self.broken_off:
            found.append(
                f"the file breaks off or is damaged to its end ({self.reason}); the whole bars before that are kept"
            )
        return found


def _no_entities(*_: object) -> None:
    raise ScoreError("declares XML entities, which no MusicXML needs; export it again from a notation program")
