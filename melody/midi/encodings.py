"""In which encoding the names and texts of a file are, that says nothing of it and is not in UTF-8.

All of a file's are taken together, as one program wrote them, and the first of these that fits is taken:

* Shift-JIS (as Windows has it): nearly all characters that are not ASCII are kana, usual kanji (the first level of JIS X
  0208) or signs;
* Windows-1251: the bytes that are not ASCII make words in capitals, in small letters or with one capital in front, one of
  them three letters long at least; in western languages letters with accents stand alone;
* GBK: most characters that are not ASCII are usual ones (the first level of GB 2312);
* Windows-1252, which takes everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from melody.midi.file_events import MAX_TEXT, clean_text
from melody.piece import Part
from melody.text import counted

_NAMES = {"cp932": "Shift-JIS", "cp1251": "Windows-1251", "gbk": "GBK", "cp1252": "Windows-1252"}
_WORD = re.compile(rb"[\x80-\xff]+")
_RUSSIAN = re.compile(rb"(?:[\xc0-\xdf\xa8]?[\xe0-\xff\xb8]*|[\xc0-\xdf\xa8]+)[\x84-\x97\xab\xb9\xbb]*")  # and signs
_KANA = range(0x3040, 0x3100)


def kept(body: bytes) -> str:
    """A text in UTF-8; one that is not, as `readable` takes it."""
    return body[:MAX_TEXT].decode("utf-8", "surrogateescape") if not _is_utf8(body) else clean_text(body.decode())


def readable(parts: list[Part], title: str, texts: list[str], repairs: list[str]) -> tuple[list[Part], str, list[str]]:
    """Names and texts that `kept` gave, in letters; what had to be guessed is added to `repairs`."""
    odd = [_bytes(text) for text in dict.fromkeys((title, *texts, *(part.name for part in parts))) if _is_odd(text)]
    if not odd:
        return parts, title, texts
    encoding = encoding_of(odd)
    repairs.append(f"{counted(len(odd), 'text')} not in UTF-8 read as {_NAMES[encoding]}")

    def read(text: str) -> str:
        return clean_text(_bytes(text).decode(encoding, "replace")) if _is_odd(text) else text

    return [replace(part, name=read(part.name)) for part in parts], read(title), [read(text) for text in texts]


def encoding_of(texts: Sequence[bytes]) -> str:
    r"""Python's name for the encoding that fits all of the texts.

    >>> encoding_of(["さくら".encode("cp932")]), encoding_of(["Мелодия".encode("cp1251")]), encoding_of([b"Caf\xe9"])
    ('cp932', 'cp1251', 'cp1252')
    """
    fits = {"cp932": _is_japanese, "cp1251": _is_russian, "gbk": _is_chinese}
    return next((encoding for encoding, fit in fits.items() if fit(texts)), "cp1252")


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_odd(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _characters(texts: Sequence[bytes], encoding: str) -> Iterator[tuple[str, bytes]]:
    """Those that are not ASCII, each with its bytes; a character that no text can hold for what cannot be decoded."""
    for text in texts:
        for character in text.decode(encoding, "replace"):
            if character > "\x7f":
                yield character, character.encode(encoding, "replace")


def _is_japanese(texts: Sequence[bytes]) -> bool:
    found = list(_characters(texts, "cp932"))
    frequent = [c for c, raw in found if ord(c) in _KANA or (len(raw) == 2 and raw[0] in (0x81, *range(0x88, 0x99)))]
    return not _is_broken(found) and 5 * len(frequent) >= 4 * len(found)


def _is_russian(texts: Sequence[bytes]) -> bool:
    words = [word.lstrip(b"\x84\x91\x93\xab\xb9") for text in texts for word in _WORD.findall(text)]
    return max(map(len, words)) >= 3 and all(map(_RUSSIAN.fullmatch, words))


def _is_chinese(texts: Sequence[bytes]) -> bool:
    found = list(_characters(texts, "gbk"))
    frequent = [raw for _, raw in found if len(raw) == 2 and 0xB0 <= raw[0] <= 0xD7 and raw[1] >= 0xA1]
    signs = [raw for _, raw in found if len(raw) == 2 and 0xA1 <= raw[0] <= 0xA9 and raw[1] >= 0xA1]
    return not _is_broken(found) and bool(frequent) and 10 * len(frequent) >= 6 * (len(found) - len(signs))


def _is_broken(found: Sequence[tuple[str, bytes]]) -> bool:
    return any(character == "\ufffd" for character, _ in found)
