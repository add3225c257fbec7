"""Words for numbers."""


def counted(number: int, thing: str) -> str:
    """A number of things.

    >>> counted(1, "note"), counted(2000, "note")
    ('1 note', '2,000 notes')
    """
    return f"{number:,} {thing}{'s' * (number != 1)}"
