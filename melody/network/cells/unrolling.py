"""Windows of cells that torch does not have, each one step for autograd. Imports torch: nothing loads it but training.

Conventions
-----------
Events come first here: (events, streams, width), and the states before and after them, (streams, width). Products
of 32 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional


def peephole_window(taken: Tensor, recurrent: Tensor, peephole: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """`melody.network.cells.peephole`: h of each event, and c after the last one, from the products of the inputs."""
    result: tuple[Tensor, Tensor] = _Peephole.apply(taken, recurrent, peephole, h, c)  # type: ignore[no-untyped-call]
    return result


def slstm_window(
    taken: Tensor, recurrent: Tensor, state: Sequence[Tensor], least: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`melody.network.cells.slstm`: h of each event, and c, n and m after the last one, from the products of the inputs.

    `state` is h, c, n and m before the window, `least` the least normaliser that is divided by.
    """
    result: tuple[Tensor, Tensor, Tensor, Tensor]
    result = _SLSTM.apply(taken, recurrent, *state, least)  # type: ignore[no-untyped-call]
    return result


class _Peephole(Function):
    @staticmethod
    def forward(ctx: Any, taken: Tensor, recurrent: Tensor, peephole: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Event by event; what the gradient is made of is kept."""
        events, streams, size = len(taken), *h.shape
        gates, turned = taken.clone(), recurrent.t().contiguous()
        outputs, cells = taken.new_empty(events + 1, streams, size), taken.new_empty(events + 1, streams, size)
        outputs[0], cells[0] = h, c
        squashed = taken.new_empty(events, streams, size)
        seen = peephole[:, None].repeat(1, streams, 1)  # once, not at each event
        for t in range(events):
            own, before, after = gates[t], cells[t], cells[t + 1]
            own.addmm_(outputs[t], turned)
            into, forget, cell, out = own.chunk(4, dim=1)
            into.addcmul_(before, seen[0])
            forget.addcmul_(before, seen[1])
            own[:, : 2 * size].sigmoid_()
            cell.tanh_()
            torch.mul(forget, before, out=after)
            after.addcmul_(into, cell)
            out.addcmul_(after, seen[2]).sigmoid_()
            torch.tanh(after, out=squashed[t])
            torch.mul(out, squashed[t], out=outputs[t + 1])
        ctx.save_for_backward(recurrent, peephole, gates, outputs, cells, squashed)
        return outputs[1:], cells[-1].clone()

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, ...]:
        """The gradient of each input."""
        of_outputs, of_cell = given
        recurrent, peephole, gates, outputs, cells, squashed = ctx.saved_tensors
        into, forget, cell, out = gates.chunk(4, dim=2)
        # by which the gradient of h, or of c', is multiplied to be that of the products
        by_out = squashed * out * (1 - out)
        by_cell = out * (1 - squashed.square())
        by_into, by_forget = cell * into * (1 - into), cells[:-1] * forget * (1 - forget)
        factors = torch.cat([by_into, by_forget, into * (1 - cell.square())], dim=2)
        sums = torch.empty_like(gates)
        streams, size = of_cell.shape
        seen = peephole[:, None].repeat(1, streams, 1)
        of_h, of_c = torch.zeros_like(of_cell), of_cell.clone()
        for t in range(len(gates) - 1, -1, -1):
            of_h = of_outputs[t] + of_h
            own = sums[t]
            torch.mul(of_h, by_out[t], out=own[:, 3 * size :])
            of_c.addcmul_(of_h, by_cell[t]).addcmul_(own[:, 3 * size :], seen[2])
            torch.mul(of_c[:, None], factors[t].view(streams, 3, size), out=own[:, : 3 * size].view(streams, 3, size))
            of_c = (of_c * forget[t]).addcmul_(own[:, :size], seen[0]).addcmul_(own[:, size : 2 * size], seen[1])
            of_h = own @ recurrent
        of_gates, earlier = [sums[..., k * size : (k + 1) * size] for k in (0, 1, 3)], [cells[:-1], cells[:-1], cells[1:]]
        of_peephole = torch.stack([(one * other).sum(dim=(0, 1)) for one, other in zip(of_gates, earlier)])
        return sums, _of_recurrent(sums, outputs), of_peephole, of_h, of_c


class _SLSTM(Function):
    @staticmethod
    def forward(
        ctx: Any, taken: Tensor, recurrent: Tensor, h: Tensor, c: Tensor, n: Tensor, m: Tensor, least: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Event by event; what the gradient is made of is kept."""
        events, streams, size = len(taken), *h.shape
        sums, turned = taken.clone(), recurrent.t().contiguous()
        outputs, cells, norms = (taken.new_empty(events + 1, streams, size) for _ in range(3))
        outputs[0], cells[0], norms[0] = h, c, n
        gates = torch.empty_like(taken)  # i', f', z, o
        for t in range(events):
            sums[t].addmm_(outputs[t], turned)
            raw_into, raw_forget, new, out = sums[t].chunk(4, dim=1)
            into, forget, cell, opened = gates[t].chunk(4, dim=1)
            kept = functional.logsigmoid(raw_forget) + m
            m = torch.maximum(kept, raw_into)
            torch.exp(raw_into - m, out=into)
            torch.exp(kept - m, out=forget)
            torch.tanh(new, out=cell)
            torch.sigmoid(out, out=opened)
            torch.mul(forget, cells[t], out=cells[t + 1]).addcmul_(into, cell)
            torch.mul(forget, norms[t], out=norms[t + 1]).add_(into)
            torch.mul(opened, cells[t + 1] / norms[t + 1].clamp(min=least), out=outputs[t + 1])
        ctx.save_for_backward(recurrent, sums, gates, outputs, cells, norms)
        ctx.mark_non_differentiable(m)
        ctx.least = least
        return outputs[1:], cells[-1].clone(), norms[-1].clone(), m

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of each input; that of the stabiliser is none, as it changes no output."""
        of_outputs, of_cell, of_norm, _ = given
        recurrent, sums, gates, outputs, cells, norms = ctx.saved_tensors
        into, forget, cell, out = gates.chunk(4, dim=2)
        norm = norms[1:].clamp(min=ctx.least)
        mean = cells[1:] / norm
        by_out, by_cell = mean * out * (1 - out), out / norm
        by_norm = -by_cell * mean
        slope = torch.sigmoid(-sums.chunk(4, dim=2)[1])  # of the logarithm of a sigmoid
        from_cell = torch.cat([cell * into, cells[:-1] * forget * slope, into * (1 - cell.square())], dim=2)
        from_norm = torch.cat([into, norms[:-1] * forget * slope], dim=2)
        result = torch.empty_like(gates)
        streams, size = of_cell.shape
        of_h, of_c, of_n = torch.zeros_like(of_cell), of_cell.clone(), of_norm.clone()
        for t in range(len(gates) - 1, -1, -1):
            of_h = of_outputs[t] + of_h
            own = result[t]
            torch.mul(of_h, by_out[t], out=own[:, 3 * size :])
            of_c.addcmul_(of_h, by_cell[t])
            of_n.addcmul_(of_h, by_norm[t])
            torch.mul(of_c[:, None], from_cell[t].view(streams, 3, size), out=own[:, : 3 * size].view(streams, 3, size))
            own[:, : 2 * size].view(streams, 2, size).addcmul_(of_n[:, None], from_norm[t].view(streams, 2, size))
            of_c, of_n = of_c * forget[t], of_n * forget[t]
            of_h = own @ recurrent
        return result, _of_recurrent(result, outputs), of_h, of_c, of_n, None, None


def _of_recurrent(sums: Tensor, outputs: Tensor) -> Tensor:
    """The gradient of recurrent weights, from that of the products and the outputs, the first of them before the window."""
    return sums.flatten(0, 1).t() @ outputs[:-1].flatten(0, 1)
