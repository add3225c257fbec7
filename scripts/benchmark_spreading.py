"""What communication costs a step of training: by the formula of docs/spreading-out.md, and as two processes measure it.

    python scripts/benchmark_spreading.py [--hidden 256] [--steps 20]

Two processes of this machine (gloo, one thread each) reduce gradients of some sizes, from which bytes a second and latency
follow by least squares; then they train a network of a shape like fiddle's on made-up events, with and without averaging the
gradients. What the averaged step takes more is set beside the formula. Where two processes share a core, waiting for the
other one counts as communication: take a machine with two free cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as processes
from torch import nn

SIZES = (1_000, 30_000, 300_000, 1_000_000, 3_000_000)  # numbers of 32 bits
REPEATS = 15


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        processes.spawn(work, (Path(folder) / "meet", arguments.hidden, arguments.steps), nprocs=2)


def work(rank: int, meet: Path, hidden: int, steps: int) -> None:
    """One of the two processes; the first prints."""
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=2)
    taken = [median(lambda size=size: dist.all_reduce(torch.zeros(size))) for size in SIZES]
    # t = 2 (N - 1) / N * 4 P / B + 2 (N - 1) L, which for two processes is 4 P / B + 2 L
    design = np.array([[4.0 * size, 2.0] for size in SIZES])
    weights = 1 / np.array(taken)
    (per_byte, latency), *_ = np.linalg.lstsq(design * weights[:, None], np.ones(len(SIZES)), rcond=None)
    model = nn.ModuleList([nn.LSTM(hidden, hidden, 2, batch_first=True), nn.Linear(hidden, 1024)])
    parameters = sum(p.numel() for p in model.parameters())
    alone = median(lambda: step(model, hidden, False), steps)
    together = median(lambda: step(model, hidden, True), steps)
    foretold = 4 * parameters * per_byte + 2 * latency
    if rank == 0:
        print(f"two processes, gloo: {1 / per_byte / 1e9:.2f} GB/s, latency {latency * 1e6:.0f} µs")
        print("| numbers | measured, ms | by the formula, ms |\n|---|---|---|")
        for size, seconds in zip(SIZES, taken):
            print(f"| {size:,} | {seconds * 1e3:.2f} | {(4 * size * per_byte + 2 * latency) * 1e3:.2f} |")
        print(f"| a step of {parameters:,} parameters: alone {alone * 1e3:.0f}, averaged {together * 1e3:.0f}, so", end=" ")
        print(f"| {(together - alone) * 1e3:.1f} | {foretold * 1e3:.1f} |")
    dist.destroy_process_group()


def step(model: nn.ModuleList, hidden: int, averaged: bool) -> None:
    """Forwards and backwards through 16 pieces of 64 events, the gradients averaged in one message."""
    model.zero_grad()
    output, _ = model[0](torch.randn(16, 64, hidden))
    model[1](output).logsumexp(dim=-1).mean().backward()
    if averaged:
        whole = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        dist.all_reduce(whole)


def median(action, repeats: int = REPEATS) -> float:  # type: ignore[no-untyped-def]
    """Seconds that something takes, both processes beginning at once."""
    times = []
    for _ in range(repeats + 2):
        dist.barrier()
        at = time.perf_counter()
        action()
        times.append(time.perf_counter() - at)
    return statistics.median(times[2:])


if __name__ == "__main__":
    main()
