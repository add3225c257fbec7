"""Calls that a function does not take, refused in one line: what came, what is legal, what was perhaps meant.

`checked` is for a function whose parameters stand in its signature. `keywords` is for those that share many: they stand
once, in the annotations and docstrings of `TypedDict` classes, and are shown in the signature and the help of each function
that takes them, as if they had been written there. A type checker reads them from its annotation `**given: Unpack[...]`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from melody.errors import ArgumentError

if TYPE_CHECKING:
    from inspect import Signature

_Function = TypeVar("_Function", bound=Callable[..., Any])


def checked(function: _Function) -> _Function:
    """The function, with an `ArgumentError` for a call that does not fit its signature."""

    @wraps(function)
    def called(*given: Any, **named: Any) -> Any:
        from inspect import signature  # `import melody` is to stay light

        check(function.__name__, signature(function), given, named)
        return function(*given, **named)

    return called  # type: ignore[return-value]


def keywords(*kinds: type, **defaults: object) -> Callable[[_Function], _Function]:
    """Show the keywords of these kinds in the signature and the help of a function; refuse what it does not take.

    Parameters
    ----------
    kinds
        `TypedDict` classes whose docstrings explain their keys, as the section "Parameters" of a docstring does.
    defaults
        Of keywords whose default is not None.
    """
    from inspect import Parameter, Signature, signature

    hints = {name: hint for kind in kinds for name, hint in _hints(kind).items()}
    more = [Parameter(n, Parameter.KEYWORD_ONLY, default=defaults.get(n), annotation=hint) for n, hint in hints.items()]

    def shown(function: _Function) -> _Function:
        plain = signature(function)
        own = [p.replace(annotation=_real(p.annotation, function)) for p in plain.parameters.values()]
        own = [parameter for parameter in own if parameter.kind is not Parameter.VAR_KEYWORD]
        full = Signature([*own, *more], return_annotation=_real(plain.return_annotation, function))

        @wraps(function)
        def called(*given: Any, **named: Any) -> Any:
            check(function.__name__, full, given, named)
            return function(*given, **named)

        called.__doc__ = _with_parameters(function.__doc__ or "", "\n".join(_text(kind.__doc__) for kind in kinds))
        called.__signature__ = full  # type: ignore[attr-defined]
        return called  # type: ignore[return-value]

    return shown


def check(name: str, signature: Signature, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Refuse a call that does not fit.

    Raises
    ------
    ArgumentError
        If a keyword is unknown, an argument is missing or one too many.
    """
    known = [parameter for parameter in signature.parameters if parameter != "self"]
    for keyword in named:
        if keyword not in known:
            raise ArgumentError(f"{name}() takes no '{keyword[:40]}'; {_meant(keyword, known)}")
    try:
        signature.bind(*given, **named)
    except TypeError as error:
        first = ", ".join(
            p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"
        )
        without = f"{first}, " if first else ""
        raise ArgumentError(f"{name}(): {error}; write {name}({without}NAME=VALUE ...) with {', '.join(known)}") from None


def path_of(value: object, what: str) -> str:
    """A path as text.

    Raises
    ------
    ArgumentError
        If it is none.
    """
    if isinstance(value, (str, os.PathLike)) and value != "" and "\0" not in (path := os.fsdecode(value)):
        return path
    raise ArgumentError(f"{what} is {shown(value)}; it must be a path, as text or a Path")


def shown(value: object) -> str:
    """A value as a message shows it: on one line, and not too long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an int of more than 4,300 digits
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]}..."


def _meant(keyword: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(keyword.lower().replace("-", "_"), known, 1, 0.6)
    return f"did you mean {near[0]}?" if near else f"it takes {', '.join(known)}"


def _real(annotation: Any, function: Callable[..., Any]) -> Any:
    """An annotation as the type that it names, if its names are there when the program runs."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, getattr(function, "__globals__", {}))  # our own source, not a user's text
    except NameError:
        return annotation


@cache
def _hints(kind: type) -> dict[str, Any]:
    """The keys of a kind, and their types."""
    from typing import get_type_hints

    return get_type_hints(kind)


def _text(doc: str | None) -> str:
    """The keys of a kind as its docstring explains them: all that follows its summary."""
    from inspect import cleandoc

    return cleandoc(doc or "").partition("\n\n")[2].strip()


def _with_parameters(doc: str, text: str) -> str:
    """A docstring with more parameters at the end of its section of these, or with such a section before what it raises."""
    from inspect import cleandoc

    before, raises, errors = cleandoc(doc).partition("\nRaises\n------\n")
    section = [] if "\nParameters\n----------\n" in before else ["", "Parameters", "----------"]
    return "\n".join([before.rstrip(), *section, text]) + (raises and f"\n{raises}{errors}")
