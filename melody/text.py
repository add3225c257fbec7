"""Text on its way out: names, titles and remarks that strangers wrote, made safe for each format; and numbers of things.

Whatever writes a text that came from a file calls the function of its format here. Text that prints normally is not
changed; characters that a reader cannot see but a program could obey are taken out.
"""

from __future__ import annotations

import unicodedata
from html import escape

# Invisible characters that join letters of some scripts and the parts of an emoji; they command nothing.
_JOINERS = "\u200c\u200d"


def plain(text: str) -> str:
    r"""One line of printable text, for terminals, pictures and anything that takes text as it is.

    Control characters (escape sequences of terminals begin with one), line breaks and what is no character at all (lone
    surrogates, U+FFFE) become spaces; marks that turn the direction of writing, with which one text can look like
    another, vanish.

    >>> plain("a\x1b[2Jb\nc"), plain("re\u202etteL"), plain("\ud800 \N{MUSICAL SCORE}")
    ('a [2Jb c', 'retteL', '  🎼')
    """
    return text if text.isprintable() else "".join(map(_seen, text))


def _seen(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    return "" if unicodedata.category(character) == "Cf" else " "


def for_terminal(text: str) -> str:
    r"""Text as one line of a terminal, with all that stands in it.

    Spaces of all widths stay; what a terminal would obey, or cannot show, is written as an escape.

    >>> print(for_terminal("Song [live] \x1b[31m\u202egpj.mid"))
    Song [live] \x1b[31m\u202egpj.mid
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()


def for_html(text: str) -> str:
    """Text as HTML, between tags or in a quoted attribute.

    >>> for_html('<b title="&">')
    '&lt;b title=&quot;&amp;&quot;&gt;'
    """
    return escape(plain(text), quote=True)


def for_xml(text: str) -> str:
    r"""Text as XML 1.0, between tags or in a quoted attribute; SVG and MusicXML are XML.

    >>> for_xml("]]> & \x0b'")
    ']]&gt; &amp;  &#x27;'
    """
    return for_html(text)


def for_abc(text: str) -> str:
    r"""Text as a text string of ABC 2.1 (section 8.2), in a field of its own line or between quotation marks.

    `%` would begin a comment, `\` a letter with an accent, `&` a named character, `"` end a quoted name.

    >>> print(for_abc('50 % "A" & B\nK:C \\'))
    50 \% 'A' \& B K:C
    """
    line = " ".join(plain(text).replace('"', "'").split()).rstrip("\\ ")  # a line that ends with \ would go on in the next
    return "".join(f"\\{c}" if c in "\\%&" else c for c in line)


def counted(number: int, thing: str) -> str:
    """A number of things.

    >>> counted(1, "note"), counted(2000, "note")
    ('1 note', '2,000 notes')
    """
    return f"{number:,} {thing}{'s' * (number != 1)}"
