"""The script for a DAW, put where the DAW looks for scripts."""

from __future__ import annotations

import os
import sys
from importlib.resources import files as resources
from pathlib import Path

from melody import files
from melody.errors import ArgumentError, MelodyError

NAME = "melody_bars.lua"


def reaper_folder() -> Path:
    """The folder of REAPER's settings.

    Raises
    ------
    MelodyError
        If there is none: REAPER is not installed for this user.
    """
    home = Path.home()
    places = [home / ".config" / "REAPER", home / "Library" / "Application Support" / "REAPER"]
    if "APPDATA" in os.environ:
        places.insert(0, Path(os.environ["APPDATA"]) / "REAPER")
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise MelodyError("REAPER's folder is not there; start REAPER once, or name its resource path with --folder")
    return found


def install(folder: Path) -> Path:
    """Write the script into the folder of a REAPER, and make the folder for exchange beside it; gives the script.

    Raises
    ------
    ArgumentError
        If a path cannot stand in the script.
    melody.files.FileError
        If it cannot be written.
    """
    scripts = Path(os.path.abspath(folder)) / "Scripts" / "melody"
    exchange = scripts / "exchange"
    files.make_folder(exchange)
    text = (resources("melody.along.bridge") / NAME).read_text("utf-8")
    for mark, path in (("@PYTHON@", sys.executable), ("@FOLDER@", str(exchange))):
        plain = path.replace("\\", "/")
        if not plain.isprintable() or '"' in plain:
            raise ArgumentError(f"{plain!r} cannot stand in a script; install melody in a folder with a plain name")
        text = text.replace(mark, plain)
    files.write_bytes(scripts / NAME, text.encode())
    return scripts / NAME
