"""The text of a MusicXML file: taken out of a compressed one, and decoded by whatever encoding it names.

Conventions
-----------
XML 1.0, appendix F: a byte order mark decides, else the zeros of UTF-16 and UTF-32, else the encoding that the declaration
names, else UTF-8. Compressed MusicXML (.mxl) is a ZIP archive whose META-INF/container.xml names the score; where it is
missing or names nothing that is there, the first score in the archive is taken. What is packed never becomes larger than
the limit while it is unpacked.
"""

from __future__ import annotations

import codecs
import io
import lzma
import re
import zipfile
import zlib
from html import unescape

from melody.errors import ScoreError

MAX_BYTES = 8_000_000
_ZIP = b"PK\x03\x04"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE, b"<\0", b"\0")
_ZEROS = (
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})["']""")
_NO_CHARSETS = ("utf-7", "idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "charmap", "mbcs", "oem")
_FORBIDDEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_BARE = re.compile(r"&(?!#?\w{1,32};)")


def text_of(content: bytes, repairs: list[str]) -> str:
    """The XML of a plain or compressed MusicXML file, without its declaration; what had to be mended goes to `repairs`.

    Raises
    ------
    ScoreError
        If it is an archive without a score or beyond use, or unpacks to more than `MAX_BYTES`.
    """
    if content.startswith(_ZIP):
        content = _unpacked(content)
    check_size(content)
    text = _decoded(content, repairs)
    text = re.sub(r"\A\s*<\?xml[^>]*\?>", "", text, count=1).lstrip("\ufeff \t\r\n")
    for pattern, replacement, what in ((_FORBIDDEN, "", "characters that XML forbids"), (_BARE, "&amp;", "a bare &")):
        text, found = pattern.subn(replacement, text)
        if found:
            repairs.append(f"{what} in the text {'is' if found == 1 else f'({found} times)'} mended")
    return text


def check_size(content: bytes) -> None:
    """Raise `ScoreError` if there is more than a score may have."""
    if len(content) > MAX_BYTES:
        raise ScoreError(f"is larger than {MAX_BYTES // 1_000_000} MB; split it into shorter scores")


def _decoded(content: bytes, repairs: list[str]) -> str:
    encoding = _encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeError:
        text = content.decode("utf-8" if encoding != "utf-8" and not content.startswith(_WIDE) else encoding, "replace")
    lost = text.count("\ufffd")
    if encoding == "utf-8" and sum(len(run) for run in re.findall("[^\0-\x7f]+", text)) < 2 * lost:  # no UTF-8 at all
        encoding, text = "cp1252", content.decode("cp1252", "replace")
        repairs.append("the text is not UTF-8, as it claims; read as Windows-1252")
    else:
        repairs.append(f"{lost} characters of the text are not {encoding.upper()}, as it claims")
    return text


def _encoding(content: bytes) -> str:
    for sign, encoding in (*_MARKS, *_ZEROS):
        if content.startswith(sign):
            return encoding
    declared = _DECLARED.match(content)
    name = declared[1].decode("ascii") if declared else "utf-8"
    try:
        codec = codecs.lookup(name)
    except LookupError:
        return "utf-8"
    # Python's codecs unpack and unescape, too. And what has two bytes a letter did not write this line.
    known = codec.name.replace("_", "-")
    odd = not codec._is_text_encoding or known.startswith(("utf-16", "utf-32")) or known in _NO_CHARSETS
    return "utf-8" if odd else codec.name


def _unpacked(content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open(_score_in(archive)) as file:
            return file.read(MAX_BYTES + 1)
    except ScoreError:
        raise
    except (zipfile.BadZipFile, lzma.LZMAError, zlib.error, LookupError, OSError, EOFError, ValueError) as error:
        raise _no_archive(str(error)) from error
    except (RuntimeError, NotImplementedError, MemoryError) as error:  # locked, an unknown method, a made-up dictionary
        raise _no_archive(str(error)) from error


def _no_archive(reason: str) -> ScoreError:
    reason = " ".join(reason.split())[:120]
    return ScoreError(f"is no compressed MusicXML ({reason}); export it again from a notation program")


def _score_in(archive: zipfile.ZipFile) -> str:
    """The name of the score: what the container names if that is there, else the first that looks like one."""
    names = archive.namelist()
    if "META-INF/container.xml" in names:
        with archive.open("META-INF/container.xml") as file:
            container = file.read(10_000).decode("utf-8", "replace")
        for quoted in re.findall(r"""full-path\s*=\s*("[^"]*"|'[^']*')""", container):
            named = unescape(quoted[1:-1])
            if named in names:
                return named
    for suffix in (".musicxml", ".xml"):
        for name in names:
            hidden = name.startswith(("META-INF/", "__MACOSX/")) or name.rpartition("/")[2].startswith(".")
            if name.lower().endswith(suffix) and not hidden:
                return name
    raise _no_archive("there is no score in it")
