"""What earlier policies did, as far as it is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class Replay:
    """A sample of all rows that were added, each kept with the same probability.

    Once it is full, reservoir sampling (Vitter 1985, algorithm R) replaces rows at random.
    """

    def __init__(self, size: int, width: int, device: torch.device) -> None:
        """Make room.

        Args:
            size: greatest number of rows; 0 keeps none.
            width: numbers in a row.
            device: where rows are kept.
        """
        self._size = size
        self._rows = torch.empty(0, width, device=device)
        self._seen = 0

    @property
    def count(self) -> int:
        """Rows that are kept."""
        return self._rows.shape[0]

    @property
    def rows(self) -> Tensor:
        """The rows that are kept, (count, width); what is written to them stays."""
        return self._rows

    def add(self, rows: Tensor, generator: torch.Generator) -> None:
        """Add rows, (B, width), of which some or all may be left out."""
        if not self._size:
            return
        free = min(self._size - self.count, len(rows))
        if free:
            self._rows = torch.cat([self._rows, rows[:free]])
            self._seen += free
            rows = rows[free:]
        if len(rows):
            age = self._seen + 1 + torch.arange(len(rows))
            place = (torch.rand(len(rows), generator=generator, dtype=torch.float64) * age).long()
            # of rows with the same place the last stays: written at once, any of them could
            places, latest = np.unique(place.flip(0).numpy(), return_index=True)
            kept = places < self._size
            chosen = torch.from_numpy(len(rows) - 1 - latest[kept])
            where = torch.from_numpy(places[kept])
            self._rows[where.to(rows.device)] = rows[chosen.to(rows.device)]
            self._seen += len(rows)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return rows drawn with replacement, (count, width)."""
        chosen = torch.randint(self.count, (count,), generator=generator)
        return self._rows[chosen.to(self._rows.device)]

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` restores."""
        return {"rows": self._rows, "seen": self._seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._rows, self._seen = state["rows"].to(self._rows.device), int(state["seen"])
