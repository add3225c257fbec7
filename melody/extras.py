"""Libraries that the core does without: named, with the command that installs them, where one is missing.

They come with the extras of pyproject.toml. The name `melody` on PyPI is another project's, so that no command here installs
by it: the libraries themselves are named, in the versions that this installation of melody asks for.
"""

from __future__ import annotations

import re
from importlib.util import find_spec

from melody.errors import MelodyError, MissingError

_PACKAGES = {
    "pytorch_lightning": "pytorch-lightning",
    "sklearn": "scikit-learn",
    "rtmidi": "python-rtmidi",
    "pythonosc": "python-osc",
}  # where a package has another name than its module


def need(what: str, *modules: str, error: type[MelodyError] = MissingError) -> None:
    """Go on if these modules are installed; they are not loaded.

    Parameters
    ----------
    what
        Is not possible without them: begins the message.
    modules
        By the names they are imported by.
    error
        Of whom the caller expects errors.

    Raises
    ------
    MissingError
        Or `error`, if one is not installed; the message names all that are missing, and how to get them.
    """
    missing = [_PACKAGES.get(name, name) for name in modules if not is_there(name)]
    if missing:
        command = " ".join(_quoted(_wanted().get(package, package)) for package in missing)
        raise error(f"{what} needs {' and '.join(missing)}; install with: pip install {command}")


def is_there(module: str) -> bool:
    """Whether a module is installed; it is not loaded."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # hidden from us, or half loaded
        return False


def _wanted() -> dict[str, str]:
    """The requirements of our own extras by package, from what pip knows of this installation; none if it knows nothing."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        texts = [text.partition(";")[0].strip() for text in requires("melody") or []]
    except PackageNotFoundError:
        return {}
    return {re.split(r"[^\w.-]", text)[0]: text for text in texts}


def _quoted(requirement: str) -> str:
    """As a shell takes it."""
    return f"'{requirement}'" if re.search(r"[<>\[]", requirement) else requirement
