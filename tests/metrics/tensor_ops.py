"""What torch computes on the way: how many tensors, and how large the largest is."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class TensorOps(TorchDispatchMode):
    """Counts tensor operations while it is entered, and the numbers that the largest result holds in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.largest = 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.count += 1
        for part in result if isinstance(result, tuple | list) else [result]:
            if isinstance(part, torch.Tensor):  # by its storage, as an expanded view costs nothing
                self.largest = max(self.largest, part.untyped_storage().nbytes() // part.element_size())
        return result
