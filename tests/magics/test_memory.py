"""Memory of rows, against lifetimes worked out by hand and torch's own hooks."""

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from cases import CASES
from pytorchcv.models.mobilenetv2 import mobilenetv2_w1
from pytorchcv.models.resnet import resnet18
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import magics
from magics.measurement.storage import memory
from magics.measurement.storage.storages import StorageTracker
from magics.theory.memory import peaks_of, predicted_peak

MIB = 1024**2


def followed(model, *inputs, **options):
    return magics.profile(
        model, *inputs, measure=False, memory=True, receptive_field=False, **options
    )


def small(build):
    """Return a published network that takes small images too."""
    model = build()
    model.features.final_pool = nn.AdaptiveAvgPool2d(1)
    return model


def saved(profile):
    return [layer.saved_bytes for layer in profile.layers]


def peaks(profile):
    return [layer.peak_bytes for layer in profile.layers]


def test_the_tracker_counts_every_storage_from_its_making_to_its_release():
    seen = []
    before = torch.ones(1000)
    with torch.no_grad(), StorageTracker(seen.append, lambda _: None) as tracker:
        first = before + 1  # 4000 bytes
        second = first.view(10, 100) * 2  # 4000 more; a view is no memory
        third = second[:, :50]
        del first  # 4000 released
        total = second.sum()  # 4 bytes
        given = torch.tensor([1.0, 2.0])  # 8 bytes
        second.add_(1)  # in place: nothing new
        grown = torch.empty(0)
        grown.resize_(5)  # 20 bytes
        before.view(-1)  # memory from before
        assert tracker.live == 4000 + 4 + 8 + 20
    assert seen == [4000, 8000, 4004, 4012, 4032]
    assert tracker.peak == 8000
    del second
    assert tracker.live == 4032  # `third` still looks at it
    del third, total, given, grown
    assert tracker.live == 0


def test_the_peak_of_a_chain_is_what_a_layer_takes_and_gives():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1),  # 512 bytes out; the input is not counted
        nn.ReLU(),  # 512 in, 512 out
        nn.ReLU(inplace=True),  # 512 in place
        nn.MaxPool2d(2),  # 512 in; 128 out and 256 of int64 indices
        nn.Flatten(),  # 128, the indices are gone
        nn.Linear(32, 5),  # 128 in, 20 out
    )
    found = followed(model.eval(), torch.rand(1, 1, 8, 8))
    assert peaks(found) == [512, 1024, 512, 896, 128, 148]
    assert found.memory["inference_peak"] == 1024


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 1, 1)
        self.second = nn.Conv2d(1, 1, 1)
        self.third = nn.Conv2d(1, 1, 1)

    def forward(self, x):
        kept = self.first(x)
        inner = self.third(self.second(kept))
        return torch.cat([kept, inner])


def test_what_a_residual_keeps_alive_counts_where_it_is_not_used():
    found = followed(Residual().eval(), torch.rand(1, 1, 4, 4))  # every map has 64 bytes
    assert peaks(found) == [64, 128, 192]
    # second's output is gone when the two maps of 64 bytes are joined to one of 128.
    assert found.other.peak_bytes == 256
    assert found.memory["inference_peak"] == 256


def test_max_pool_saves_its_input_and_int64_indices_average_pool_its_input_alone():
    x = torch.rand(1, 1, 8, 8)
    conv = nn.Conv2d(1, 4, 3, padding=1)
    found = followed(nn.Sequential(conv, nn.MaxPool2d(2)), x)
    assert saved(found) == [256, 4 * 64 * 4 + 4 * 16 * 8]
    found = followed(nn.Sequential(conv, nn.AvgPool2d(2)), x)
    assert saved(found) == [256, 4 * 64 * 4]


def test_what_two_layers_save_belongs_to_the_first_and_parameters_to_none():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 4))
    # x 16 bytes; ReLU its output, which the second linear saves as its input; the third linear
    # the second's output. Each linear also saves its weight, transposed, which is no new memory.
    assert saved(followed(model, torch.rand(1, 4))) == [16, 16, 0, 16]


def test_nothing_is_saved_where_nothing_is_trained():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    model.requires_grad_(requires_grad=False)
    assert saved(followed(model, torch.rand(1, 1, 8, 8))) == [0, 0, 0]
    model[2].requires_grad_()
    assert saved(followed(model, torch.rand(1, 1, 8, 8))) == [0, 0, 4 * 36 * 4]


def test_a_slice_counts_as_the_slice():
    class Slice(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, data):
            return self.scale * data[:2]

    found = followed(Slice(), torch.rand(100, 5))
    assert sum(saved(found)) + found.other.saved_bytes == 2 * 5 * 4


def by_torch(model, x):
    """Sum up what autograd packs, by address and size, as torch's documentation suggests."""
    parameters = {p.data_ptr() for p in model.parameters()}
    packed = {}

    def pack(tensor):
        if tensor.data_ptr() not in parameters:
            packed[tensor.data_ptr(), tensor.numel()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = model(x)
    assert result.requires_grad
    return sum(packed.values())


@pytest.mark.parametrize("build", [resnet18, mobilenetv2_w1])
@pytest.mark.parametrize("training", [False, True])
def test_saved_bytes_add_up_to_what_torchs_hooks_see(build, training):
    model, x = small(build).train(training), torch.rand(2, 3, 64, 64)
    found = followed(model, x)
    total = sum(row.saved_bytes for row in found.rows)
    assert total == found.memory["saved"] == by_torch(model, x)


def test_saved_bytes_are_exactly_linear_in_the_batch_size():
    model = small(resnet18).train()
    one, two, three = (followed(model, f"{n}x3x64x64").memory["saved"] for n in (2, 3, 4))
    assert three - two == two - one > 0


def test_the_inference_peak_of_resnet18_is_two_maps_of_its_first_layer():
    # At 128x128 the first convolution gives 64x64x64 floats, which are 1 MiB, and batch norm
    # as much again; ReLU works in place.
    model = small(resnet18).eval()
    assert followed(model, "1x3x128x128").memory["inference_peak"] == 2 * MIB
    assert followed(model, "4x3x128x128").memory["inference_peak"] == 8 * MIB


def test_the_peak_of_a_training_step_holds_gradients_too():
    model = nn.Sequential(nn.Linear(4, 3, bias=False))
    found = followed(model, torch.rand(1, 4), backward=True)
    # Output 12 bytes, its gradient 12, that of the weight 48.
    assert found.memory["training_peak"] == 72
    assert found.memory["gradients"] == 48
    assert "inference_peak" not in found.memory
    assert peaks(found) == [12]
    assert saved(found) == [16]


def test_a_training_step_keeps_what_inference_lets_go():
    model = nn.Sequential(
        *[layer for _ in range(5) for layer in (nn.Conv2d(2, 2, 1), nn.Sigmoid())]
    )
    x = torch.rand(1, 2, 16, 16)
    size = x.numel() * 4
    inference, training = followed(model, x), followed(model, x, backward=True)
    assert inference.memory["inference_peak"] == 2 * size
    # A sigmoid saves its output, a convolution its input, which is the sigmoid's output before
    # it; the first one's is the model's own. A convolution's output dies after the sigmoid.
    assert training.memory["saved"] == 6 * size
    assert peaks(training) == [size * n for n in (1, 2, 2, 3, 3, 4, 4, 5, 5, 6)]
    assert peaks(inference) == [size * n for n in (1, 2, 2, 2, 2, 2, 2, 2, 2, 2)]
    assert training.memory["training_peak"] >= 6 * size


def test_checkpointing_lowers_the_peak_of_a_training_step():
    class Blocks(nn.Module):
        def __init__(self, *, recompute):
            super().__init__()
            blocks = [nn.Sequential(nn.Conv2d(2, 8, 1), nn.Sigmoid(), nn.Conv2d(8, 2, 1))] * 3
            self.blocks, self.recompute = nn.ModuleList(blocks), recompute

        def forward(self, x):
            for block in self.blocks:
                x = checkpoint(block, x, use_reentrant=False) if self.recompute else block(x)
            return x

    x = torch.rand(1, 2, 32, 32)
    plain, less = (followed(Blocks(recompute=flag), x, backward=True) for flag in (False, True))
    assert less.memory["training_peak"] < plain.memory["training_peak"]


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("build", [resnet18, mobilenetv2_w1])
def test_the_peak_at_the_next_batch_size_is_predicted_within_five_percent(build, backward):
    model = small(build).train(backward)
    one, two, four = (followed(model, f"{n}x3x64x64", backward=backward) for n in (2, 4, 8))
    predicted = predicted_peak((2, peaks_of(one)), (4, peaks_of(two)), 8)
    assert predicted == pytest.approx(peaks_of(four)[-1], rel=0.05)


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
