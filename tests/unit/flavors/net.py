"""A torch module for the tests: what a job's own code would bring."""

import torch


class Net(torch.nn.Module):
    """Two layers over two numbers; what is missing counts as 0."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Shape [rows, 1]."""
        answer: torch.Tensor = self.layers(torch.nan_to_num(rows) / 1000)
        return answer
