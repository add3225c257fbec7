"""h' = a * h + b for all events of a window at once (a parallel scan, Blelloch 1990), where a and b do not depend on h.

Two neighbouring steps are one step: with a' * a and a' * b + b'. So the distance that a step spans doubles each time, and a
window of 64 events takes 6 rounds over the whole window in place of 64 steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def scan(keep: Tensor, new: Tensor, before: Tensor) -> Tensor:
    """The states of a window, one of each event, (streams, events, hidden).

    Parameters
    ----------
    keep, new
        a and b of each event, (streams, events, hidden).
    before
        h before the first event, (streams, hidden).
    """
    result: Tensor = _Scan.apply(keep, new, before)  # type: ignore[no-untyped-call]
    return result


class _Scan(Function):
    @staticmethod
    def forward(ctx: Any, keep: Tensor, new: Tensor, before: Tensor) -> Tensor:
        first = torch.addcmul(new[:, :1], keep[:, :1], before[:, None])
        h = _scanned(keep, torch.cat([first, new[:, 1:]], dim=1))
        ctx.save_for_backward(keep, torch.cat([before[:, None], h[:, :-1]], dim=1))
        return h

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradient goes back by the same kind of step: g of an event is its own and a of the next one times its g."""
        keep, earlier = ctx.saved_tensors
        following = torch.cat([keep[:, 1:], torch.zeros_like(keep[:, :1])], dim=1)
        of_new = _scanned(following.flip(1), given[0].flip(1)).flip(1)
        return of_new * earlier, of_new, of_new[:, 0] * keep[:, 0]


def _scanned(keep: Tensor, new: Tensor) -> Tensor:
    """The same from h = 0."""
    keep, new, span = keep.clone(), new.clone(), 1
    while span < new.shape[1]:
        new[:, span:] += keep[:, span:] * new[:, :-span]
        keep[:, span:] *= keep[:, :-span].clone()
        span *= 2
    return new
