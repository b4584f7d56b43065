"""Everything that a profile could disturb, written down so that it can be compared."""

import gc
import random
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.parameter import is_lazy

FUNCTIONS = ("conv1d", "conv2d", "conv_transpose2d", "linear", "max_pool2d", "batch_norm")


def bits(tensor):
    """Return a tensor's contents as something that compares bit by bit."""
    if is_lazy(tensor):
        return "no shape yet"
    plain = tensor.detach()
    return (plain.dtype, tuple(plain.shape), plain.cpu().reshape(-1).contiguous().view(torch.uint8)
            .numpy().tobytes())  # fmt: skip


def tensor_facts(tensor):
    lazy = is_lazy(tensor)
    return {
        "identity": id(tensor),
        "bits": bits(tensor),
        "version": None if lazy or tensor.is_inference() else tensor._version,
        "requires_grad": tensor.requires_grad,
        "grad": (id(tensor.grad), bits(tensor.grad)) if tensor.grad is not None else None,
        "place": None if lazy else tensor.data_ptr(),
    }


def frozen(value):
    """Return an attribute by identity, containers with what is in them."""
    if isinstance(value, dict):
        return id(value), [(frozen(key), id(item)) for key, item in value.items()]
    if isinstance(value, list | tuple | set):
        return id(value), [id(item) for item in value]
    return id(value)


def module_facts(module):
    own = {name: frozen(value) for name, value in vars(module).items() if name != "__dict__"}
    return {"class": type(module), "training": getattr(module, "training", None), "own": own}


def of_model(model):
    """Write down a model: modules, hooks, attributes, tensors, gradients."""
    inner = getattr(model, "_orig_mod", model)
    scripted = isinstance(inner, torch.jit.ScriptModule)
    facts = {
        name: {"training": module.training} if scripted else module_facts(module)
        for name, module in inner.named_modules()
    }
    tensors = [*inner.named_parameters(), *inner.named_buffers()]
    facts |= {f"tensor {name}": tensor_facts(tensor) for name, tensor in tensors}
    if not any(is_lazy(tensor) for _, tensor in tensors):
        facts["state_dict"] = {
            name: bits(value) if isinstance(value, torch.Tensor) else repr(value)
            for name, value in inner.state_dict().items()
        }
    return facts


def subnormals_vanish():
    """Return whether torch's kernels and Python flush subnormal numbers to zero."""
    return (torch.tensor([2e-308, 1e-308], dtype=torch.float64) / 2).sum().item() == 0.0


def of_process():
    """Write down what belongs to torch and the interpreter."""
    return {
        "torch random": torch.get_rng_state().numpy().tobytes(),
        "numpy random": [str(part) for part in np.random.get_state()],  # noqa: NPY002, the old one
        "random": random.getstate(),
        "threads": torch.get_num_threads(),
        "default dtype": torch.get_default_dtype(),
        "flush denormal": subnormals_vanish(),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "anomaly mode": torch.is_anomaly_enabled(),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda")),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "mkldnn": torch.backends.mkldnn.enabled,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "collector": gc.isenabled(),
        "functions": [getattr(functional, name) for name in FUNCTIONS],
        "class attributes": (nn.Module.__call__, nn.Conv2d.forward, torch.Tensor.__matmul__),
        "modes": torch._C._len_torch_dispatch_stack() + torch._C._len_torch_function_stack(),
        "trace": (sys.gettrace(), sys.getprofile()),
    }
