"""What came, as an error message shows it: on one line, and not too long."""


def shown(text: str) -> str:
    """The text in quotes, cut after 40 characters.

    >>> shown("x" * 50)
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'"
    """
    return repr(text if len(text) <= 40 else text[:40] + "...")
