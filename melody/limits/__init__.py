"""What the music must keep to: read from what a musician writes, checked against a model, verified on a finished piece."""

from melody.limits.checking import check
from melody.limits.limits import Limits
from melody.limits.verifying import verify

__all__ = ["Limits", "check", "verify"]
