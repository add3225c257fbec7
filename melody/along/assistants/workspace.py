"""The one folder that an assistant may read and write.

What an assistant names is a path within it; what leads out, by `..`, by a link, as an absolute path, is refused. Nothing
that is there is replaced.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from melody import models
from melody.arguments import shown
from melody.errors import ArgumentError, ModelFileError
from melody.files import FileError, free_name
from melody.modelfile import SUFFIX


class Workspace:
    """A folder, and what may be done in it.

    Parameters
    ----------
    folder
        It must be there.

    Raises
    ------
    FileError
        If it is not.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.realpath(folder))
        if not self.folder.is_dir():
            raise FileError(f"there is no folder {folder}; make it first, or name another")

    def existing(self, name: object, what: str) -> Path:
        """A file in the folder that is to be read.

        Raises
        ------
        ArgumentError
            If it is no path, or leads out of the folder.
        FileError
            If there is no such file; the message lists some that there are.
        """
        path = self._inside(name, what)
        if not os.path.isfile(path):  # unlike Path.is_file, False for a name that no file system takes
            raise FileError(f"{what} is {shown(name)}, and there is no such file; {self._listed()}")
        return path

    def new(self, name: object | None, made_up: str, suffixes: Collection[str]) -> Path:
        """A file in the folder that is to be written.

        Parameters
        ----------
        name
            As the assistant has it; None to have one made up.
        made_up
            That name; one that is free is made of it.
        suffixes
            In what a name may end.

        Raises
        ------
        ArgumentError
            If it is no path, leads out of the folder, or ends otherwise.
        FileError
            If it is there already, or its folder is not.
        """
        if name is None:
            return free_name(self.folder / made_up)
        path = self._inside(name, "out")
        if path.suffix.lower() not in suffixes:
            raise ArgumentError(f"out is {shown(name)}; its name must end in {' or '.join(suffixes)}")
        if os.path.lexists(path):
            raise FileError(f"out is {shown(name)}, which is there already; name another file")
        if not os.path.isdir(path.parent):
            raise FileError(f"out is {shown(name)}, and there is no such folder; name a file in one that is there")
        return path

    def model(self, name: object) -> Path:
        """The file of a model: one that a name alone finds (`melody.models.available`), or one in the folder.

        Raises
        ------
        ArgumentError
            If it is no name, or leads out of the folder.
        ModelFileError
            If there is none; the message lists the models that there are.
        """
        known = {models.name_of(path): path for path in models.available()}
        if isinstance(name, str) and name in known:
            return known[name]
        path = self._inside(name, "model")
        for found in (path, path.with_name(path.name + SUFFIX)):
            if os.path.isfile(found):
                return found
        raise ModelFileError(models.no_model(str(name)))

    def relative(self, path: Path) -> str:
        """A file as an assistant names it."""
        return path.relative_to(self.folder).as_posix()

    def _inside(self, name: object, what: str) -> Path:
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            raise ArgumentError(f"{what} is {shown(name)}; it must be the name of a file in the folder")
        try:
            path = Path(os.path.realpath(self.folder / name))
        except (OSError, ValueError):  # a name that no file system takes
            raise ArgumentError(f"{what} is {shown(name)}; no file can have such a name") from None
        if os.path.isabs(name) or not path.is_relative_to(self.folder) or path == self.folder:
            raise ArgumentError(
                f"{what} is {shown(name)}; only files in the folder that the server was started with can be used: name one "
                "relative to it, as tune.mid"
            )
        return path

    def _listed(self, most: int = 10) -> str:
        """Some of the files in the folder, as part of a sentence."""
        names = sorted(p.name for p in self.folder.iterdir() if p.is_file() and not p.name.startswith("."))
        more = f" and {len(names) - most:,} more" if len(names) > most else ""
        return (
            f"there are {', '.join(names[:most])}{more}"
            if names
            else "the folder is empty: write a tune with generate first"
        )
