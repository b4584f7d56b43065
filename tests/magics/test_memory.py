"""Memory of rows, against lifetimes worked out by hand and torch's own hooks."""

import pytest
import torch
from following import MIB, followed, peaks, saved, small
from pytorchcv.models.mobilenetv2 import mobilenetv2_w1
from pytorchcv.models.resnet import resnet18
from torch import nn
from torch.utils.checkpoint import checkpoint

from magics.measurement.storage.storages import StorageTracker
from magics.theory.memory import peaks_of, predicted_peak


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
