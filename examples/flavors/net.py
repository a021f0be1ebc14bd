"""The module that the weights in models/net.safetensors belong to."""

from __future__ import annotations

import torch


class Net(torch.nn.Module):
    """Two layers over income and amount, both in thousands; what is missing counts as 2,500."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Shape [rows, 1]."""
        answer: torch.Tensor = self.layers(torch.nan_to_num(rows, nan=2500.0) / 1000)
        return answer
