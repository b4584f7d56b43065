"""Whose memory is followed, in one run or two, and that it disturbs nothing."""

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from cases import CASES
from following import MIB, followed, peaks, saved, small
from pytorchcv.models.resnet import resnet18
from torch import nn
from torch.nn import functional

import magics
from magics.measurement.storage import memory


@pytest.mark.filterwarnings("ignore")  # of torch, about deprecated features that users have
@pytest.mark.parametrize("name", CASES)
def test_one_run_tells_the_same_as_one_without_gradients_and_one_with(name, monkeypatch):
    case = CASES[name]
    found = []
    for both in (memory._at_once, memory._one_by_one):
        torch.manual_seed(0)
        model, inputs, kwargs = case.build(), case.inputs(), case.kwargs()
        monkeypatch.setattr(memory, "_at_once", both)
        found.append(followed(model, *inputs, **kwargs))
    once, twice = found
    assert peaks(once) == peaks(twice)
    assert saved(once) == saved(twice)
    assert once.other == twice.other
    allocated = {"allocator_peak"}  # some kernels take other workspace, or none
    assert {k: v for k, v in once.memory.items() if k not in allocated} == {
        k: v for k, v in twice.memory.items() if k not in allocated
    }


class Hoard(torch.autograd.Function):
    """Keeps what it made where autograd's hooks don't see it, until the backward."""

    @staticmethod
    def forward(ctx, x):
        ctx.double = x * 2
        return x + 1

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.double


class Unlike:
    """Models that do something else with gradients than without."""

    class Asks(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1)

        def forward(self, x):
            x = self.conv(x)
            return torch.cat([x, x, x]) if torch.is_grad_enabled() else x

    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(1, 1, 1) for _ in range(3))

        def forward(self, x):
            for conv in self.convs:
                x = Hoard.apply(conv(x))
            return x

    class Differentiates(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1)

        def forward(self, x):
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                y = self.conv(x).square().sum()
            return torch.autograd.grad(y, x)[0]


@pytest.mark.parametrize("kind", [Unlike.Asks, Unlike.Keeps, Unlike.Differentiates])
def test_a_model_that_does_something_else_with_gradients_is_followed_without(kind, monkeypatch):
    runs = []
    one_by_one = memory._one_by_one
    monkeypatch.setattr(memory, "_one_by_one", lambda *given: runs.append(1) or one_by_one(*given))
    found = followed(kind().eval(), torch.rand(1, 1, 8, 8))
    assert runs
    monkeypatch.setattr(memory, "_at_once", one_by_one)
    assert followed(kind().eval(), torch.rand(1, 1, 8, 8)).memory == found.memory


def test_a_usual_model_runs_only_once_for_its_memory(monkeypatch):
    monkeypatch.delattr(memory, "_one_by_one")
    found = followed(small(resnet18).train(), "2x3x64x64")
    assert found.warnings == ()
    assert found.memory["inference_peak"]


@pytest.mark.parametrize("backward", [False, True])
def test_meta_tensors_tell_the_same_as_real_ones(backward):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
    real = followed(model, torch.rand(2, 3, 16, 16), backward=backward)
    meta = followed(model, torch.rand(2, 3, 16, 16), backward=backward, device="meta")
    assert saved(meta) == saved(real)
    assert peaks(meta) == peaks(real)
    assert "allocator_peak" not in meta.memory


def test_functions_and_repeated_calls_have_their_own_memory():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1)
            self.weight = nn.Parameter(torch.rand(2, 1, 1, 1))

        def forward(self, x):
            return functional.conv2d(self.conv(self.conv(x)), self.weight)

    found = followed(Twice().eval(), torch.rand(1, 1, 4, 4))
    assert [(layer.name, layer.call_index) for layer in found.layers] == [
        ("conv", 0),
        ("conv", 1),
        ("conv2d()", 0),
    ]
    assert peaks(found) == [64, 128, 64 + 128]
    assert saved(found) == [64, 64, 64]


def test_the_allocator_knows_of_workspace_too():
    # A convolution in this layout is done in another one: oneDNN needs room to reorder.
    found = followed(small(resnet18).eval(), "2x3x128x128")
    peak = found.memory.get("allocator_peak")
    if peak is None:
        pytest.skip("this torch has no profiler of the older kind")
    assert peak >= found.memory["inference_peak"] == 4 * MIB


def test_model_inputs_gradients_and_optimizer_are_told_apart():
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))  # 6 + 3, 3 + 3 parameters
    model[0].bias.requires_grad_(requires_grad=False)
    memory = followed(model, torch.rand(1, 2, 4, 4)).memory
    assert memory["parameters"] == 15 * 4
    assert memory["buffers"] == 6 * 4 + 8  # mean, variance; the count of batches is an int64
    assert memory["inputs"] == 32 * 4
    assert memory["gradients"] == memory["momentum_state"] == 12 * 4
    assert memory["adam_state"] == 2 * 12 * 4 + 3 * 4


def test_shared_parameters_count_once():
    first = nn.Linear(4, 4, bias=False)
    second = nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    assert followed(nn.Sequential(first, second), "1x4").memory["parameters"] == 64


@pytest.mark.parametrize("backward", [False, True])
def test_following_memory_disturbs_nothing(backward):
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.ReLU(inplace=True)
    )
    x = torch.rand(2, 1, 8, 8)
    model(x).sum().backward()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = [p.grad for p in model.parameters()]
    contents = [g.clone() for g in gradients]
    random = torch.get_rng_state()
    followed(model, x, backward=backward)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is g for p, g in zip(model.parameters(), gradients, strict=True))
    assert all(torch.equal(g, c) for g, c in zip(gradients, contents, strict=True))
    assert torch.equal(torch.get_rng_state(), random)
    assert not any("forward" in vars(module) for module in model.modules())


def test_no_tensor_of_a_run_outlives_the_profile():
    def tensors():
        gc.collect()
        return sum(issubclass(type(item), torch.Tensor) for item in gc.get_objects())

    model, x = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), torch.rand(2, 1, 8, 8)
    followed(model, x, backward=True)
    before = tensors()
    followed(model, x)
    followed(model, x, backward=True)
    assert tensors() == before


def test_a_model_that_cannot_have_gradients_still_has_a_peak():
    class WritesItsWeight(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1, bias=False)

        def forward(self, x):
            self.conv.weight.mul_(1.0)
            return self.conv(x)

    found = followed(WritesItsWeight().eval(), torch.rand(1, 1, 4, 4))
    assert peaks(found) == [64]
    assert saved(found) == [None]
    assert "saved" not in found.memory
    (warning,) = [text for text in found.warnings if "kept for backward" in text]
    assert "a leaf Variable that requires grad" in warning


def test_memory_is_followed_as_asked_and_otherwise_with_times():
    model = nn.Sequential(nn.Conv2d(1, 1, 1)).eval()
    assert not magics.profile(model, "1x1x4x4", measure=False).memory
    assert not magics.profile(model, "1x1x4x4", budget=0.01, memory=False).memory
    assert magics.profile(model, "1x1x4x4", budget=0.01).memory["inference_peak"] == 64


def test_modules_that_run_in_threads_of_the_model_are_in_nobodys_way():
    class Threads(nn.Module):
        def __init__(self):
            super().__init__()
            self.branches = nn.ModuleList(nn.Conv2d(1, 1, 1) for _ in range(4))
            self.last = nn.Conv2d(1, 1, 1)

        def forward(self, x):
            with ThreadPoolExecutor() as pool:
                maps = list(pool.map(lambda branch: branch(x), self.branches))
            return self.last(sum(maps))

    found = followed(Threads().eval(), torch.rand(1, 1, 4, 4))
    assert not [text for text in found.warnings if "emory" in text or "backward" in text]
    assert [layer.saved_bytes for layer in found.layers if layer.name == "last"] == [64]
