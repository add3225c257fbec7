"""The list of a folder's pages and tunes, index.html: made again from what the folder holds whenever tunes are added."""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path
from urllib.parse import quote

from melody.files import write_bytes
from melody.midi import SUFFIXES
from melody.text import for_html

_MARK = '<meta name="generator" content="melody: contents of a folder">'
_HEAD = 100_000  # bytes of a page in which its title is looked for


def write_contents(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> bool:
    """Write the list of the pages and MIDI files in a folder to `path`, an .html file in it.

    Each page stands with its title and its tunes, which are those whose names begin with the page's, then the other tunes.

    Returns
    -------
    bool
        False if `path` is there and was not made by this function: it stays.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    folder, path = Path(folder), Path(path)
    if os.path.lexists(path) and _MARK not in _head(path):
        return False
    write_bytes(path, contents(folder, path.name).encode("utf-8", "backslashreplace"))
    return True


def contents(folder: Path, own: str = "index.html") -> str:
    """The list as HTML; `own` is its own name, which it leaves out."""
    there = sorted((p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")), key=lambda p: p.name)
    pages = [p for p in there if p.suffix.lower() in (".html", ".htm") and p.name != own]
    left = [p for p in there if p.suffix.lower() in SUFFIXES]
    sections = []
    for page in sorted(pages, key=lambda p: len(p.stem), reverse=True):  # a name that begins with another's comes first
        tunes = [p for p in left if p.stem == page.stem or p.stem.startswith(f"{page.stem}-")]
        left = [p for p in left if p not in tunes]
        sections.append((page.name, f"<h2>{_link(page, _title(page))}</h2>\n{_list(tunes)}"))
    shown = "".join(section for _, section in sorted(sections))
    rest = f"<h2>Other tunes</h2>\n{_list(left)}" if left else ""
    title = f"Tunes in {for_html(folder.resolve().name)}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{_MARK}
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 52rem; padding: 2rem 1rem;
  overflow-wrap: anywhere }}
h1, h2 {{ line-height: 1.2; font-weight: 600 }} h2 {{ font-size: 1.2rem; margin: 1.6rem 0 .4rem }}
ul {{ display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin: 0; padding: 0; list-style: none }}
</style>
</head>
<body>
<h1>{title}</h1>
{shown}{rest}</body>
</html>
"""


def _list(tunes: list[Path]) -> str:
    items = "".join(f"<li>{_link(path, path.name)}</li>\n" for path in tunes)
    return f"<ul>\n{items}</ul>\n" if tunes else ""


def _link(path: Path, text: str) -> str:
    return f'<a href="./{quote(os.fsencode(path.name))}">{for_html(text)}</a>'


def _title(page: Path) -> str:
    """The title of a page, and its name."""
    found = re.search(r"<title>([^<]{1,300})</title>", _head(page))
    return f"{unescape(found[1])} ({page.stem})" if found else page.name


def _head(page: Path) -> str:
    try:
        if not page.is_file():
            return ""
        with page.open("rb") as file:
            return file.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return ""
