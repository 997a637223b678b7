"""A device that is not the processor, on a machine that has no other.

Its tensors are computed on the processor and say that they are on `OTHER`. As on a GPU, they mix
with those on the processor only where PyTorch allows that: a single number, what picks elements,
and copies; anything else is an error. So it shows whether a program puts its tensors where they
belong, and that it computes the same there.
"""

from contextlib import contextmanager

import torch
import torch.optim.optimizer as optimisers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

OTHER = torch.device("meta")
"""No machine lacks it, and the processor is another."""
_INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_")


class _There(torch.Tensor):
    """A tensor that says that it is on `OTHER`."""

    @staticmethod
    def __new__(cls, here):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=OTHER,
        )

    def __init__(self, here):
        self.here = here

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


class _Mode(TorchDispatchMode):
    # the place at which PyTorch lets a program make tensors on devices that are not there
    _mode_key = torch._C._TorchDispatchModeKey.FAKE

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


@contextmanager
def other_device(monkeypatch):
    """Let there be the device `OTHER` within the block."""
    # an optimiser has a list of the devices that it knows
    known = optimisers._get_fused_kernels_supported_devices
    name = "_get_fused_kernels_supported_devices"
    monkeypatch.setattr(optimisers, name, lambda: [*known(), OTHER.type])
    with _Mode():
        yield


def is_there(tensor):
    return isinstance(tensor, _There)


def _run(operation, args, kwargs):
    name = operation._schema.name.removeprefix("aten::")
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    there = [x for x in tensors if is_there(x)]
    target = kwargs.get("device")
    if target is not None:
        lands_there = torch.device(target) == OTHER
        kwargs = {**kwargs, "device": torch.device("cpu")}
    elif name == "copy_":
        lands_there = is_there(args[0])
    else:
        lands_there = bool(there)
        if there:
            _refuse_mixture(name, args, tensors)
    result = operation(*tree_map(_here, args), **tree_map(_here, kwargs))
    if not lands_there:
        return result
    # what is changed in place stays the object that it was
    known = {id(x.here): x for x in there}

    def placed(value):
        if not isinstance(value, torch.Tensor):
            return value
        return known[id(value)] if id(value) in known else _There(value)

    return tree_map(placed, result)


def _here(value):
    return value.here if is_there(value) else value


def _refuse_mixture(name, args, tensors):
    if name in _INDEXING:
        # indices may be on the processor
        tensors = [args[0], *args[2:3]]
    strays = [tuple(x.shape) for x in tensors if not is_there(x) and x.dim() > 0]
    assert not strays, f"{name} mixes devices: values {strays} are on the processor"
