"""One process among several: a thin layer over torchrun and DistributedDataParallel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Workers:
    """This process's place: `rank` of `world`; alone by default."""

    rank: int = 0
    world: int = 1

    @classmethod
    def join(cls, device: str) -> Workers:
        """Join the group that torchrun describes in the environment; without torchrun, be alone.

        Args:
            device: "cuda" groups talk through NCCL, others through gloo.
        """
        if "WORLD_SIZE" not in os.environ:
            return cls()
        backend = "nccl" if device.startswith("cuda") else "gloo"
        distributed.init_process_group(
            backend, timeout=timedelta(hours=2)
        )  # the others wait while rank 0 validates
        return cls(distributed.get_rank(), distributed.get_world_size())

    def leave(self) -> None:
        """Leave the group, if one was joined; what `wrap` returned must be gone by now.

        gloo's threads need the interpreter's lock to let go of the last tensors. Here they get it, for Python gives
        it up to take a group down. A wrapper that outlived this call would take the group down itself, holding the
        lock, and now and then wait for those threads for ever.
        """
        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model that averages its gradients over all processes."""
        return DistributedDataParallel(model) if self.world > 1 else model

    def mean(self, value: float) -> float:
        """Return the mean of a number over all processes."""
        if self.world == 1:
            return value
        total = torch.tensor(float(value), device="cuda" if distributed.get_backend() == "nccl" else "cpu")
        distributed.all_reduce(total)
        return total.item() / self.world

    def agree(self, decision: bool) -> bool:
        """Return rank 0's decision on every process."""
        if self.world == 1:
            return decision
        box = [decision]
        distributed.broadcast_object_list(box)
        return box[0]

    @contextmanager
    def first_ahead(self) -> Iterator[None]:
        """Let the first process through a `with` block before the others: it writes what they read."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def wait(self) -> None:
        """Return once every process got here."""
        if self.world > 1:
            distributed.barrier()
