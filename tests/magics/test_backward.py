"""Backward times by autograd nodes: exact on a clock that only operators move."""

import sys
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from nets import Calls
from ticking import COSTS
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import magics
from magics.errors import ForwardError
from magics.session import Interrupted

TIMES_ALONE = {"memory": False, "roofline": False, "receptive_field": False, "backward": True}
CONV, CONV_BACK = COSTS["convolution"], COSTS["convolution_backward"]
NORM_BACK, RELU_BACK = COSTS["native_batch_norm_backward"], COSTS["threshold_backward"]
POOL_BACK, ADD = COSTS["max_pool2d_with_indices_backward"], COSTS["add"]


def profile(model, *inputs, **options):
    inputs = inputs or (torch.ones(2, 2, 6, 6),)
    return magics.profile(model, *inputs, **{**TIMES_ALONE, **options})


def conv(**options):
    return nn.Conv2d(2, 2, 3, padding=1, **options)


def back(result):
    return {
        (row.name, row.call_index): round(row.backward.median_s * 1e9) if row.backward else None
        for row in result.layers
    }


class Residual(nn.Module):
    """A block of the kind that refuses modules' own backward hooks: it works in place."""

    def __init__(self):
        super().__init__()
        self.conv = conv()
        self.norm = nn.BatchNorm2d(2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.relu(self.norm(self.conv(x)))
        out = self.norm(self.conv(out))
        out += x
        return self.relu(out)


def test_each_row_takes_the_time_of_its_own_nodes_although_the_block_works_in_place(time):
    result = profile(Residual())
    assert back(result) == {
        ("conv", 0): CONV_BACK, ("norm", 0): NORM_BACK, ("relu", 0): RELU_BACK,
        ("conv", 1): CONV_BACK, ("norm", 1): NORM_BACK, ("relu", 1): RELU_BACK,
    }  # fmt: skip


def test_rows_add_up_to_the_whole_backward_sums_of_gradients_being_everything_else(time):
    result = profile(nn.Sequential(conv(), Residual(), Residual()))
    whole = 5 * CONV_BACK + 4 * NORM_BACK + 4 * RELU_BACK
    assert round(sum(row.backward.median_s for row in result.layers) * 1e9) == whole
    assert result.backward_coverage == pytest.approx(1, abs=1e-9)
    assert result.backward_overhead == pytest.approx(1, abs=1e-9)
    assert result.total.backward_s == result.plain_backward.median_s
    # Where paths meet gradients are added; so are those of the norms that are called twice.
    assert result.other.backward.median_s > 0
    assert round((result.plain_backward.median_s - result.other.backward.median_s) * 1e9) == whole


def test_forward_times_are_there_too_and_add_up(time):
    result = profile(Residual())
    assert result.coverage == pytest.approx(1, abs=1e-9)
    assert round(result.layers[0].forward.median_s * 1e9) == CONV


def test_functional_calls_have_backward_times(time):
    def run(m, x):
        x = functional.relu(functional.conv2d(m.conv(x), m.conv.weight), inplace=True)
        return functional.max_pool2d(x, 2)

    found = back(profile(Calls(run, conv=conv())))
    assert found["conv2d()", 0] == found["conv", 0] == CONV_BACK
    assert found["max_pool2d()", 0] == POOL_BACK


def test_what_needs_no_gradient_has_no_backward_time(time):
    model = nn.Sequential(conv(), nn.ReLU(), conv(), nn.Dropout()).requires_grad_(
        requires_grad=False
    )
    model[2].weight.requires_grad_(requires_grad=True)
    result = profile(model.eval())
    assert back(result) == {("0", 0): None, ("1", 0): None, ("2", 0): CONV_BACK, ("3", 0): None}
    assert result.backward_coverage == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("build", [lambda: conv().requires_grad_(requires_grad=False), nn.ReLU])
def test_a_model_without_anything_to_differentiate_says_so_and_has_forward_times(time, build):
    result = profile(build())
    assert result.plain_backward is None
    assert result.backward_coverage is None
    assert result.layers[0].backward is None
    assert result.layers[0].forward is not None
    (warning,) = result.warnings
    assert warning.startswith("No output of the model can have a gradient")


def test_an_input_that_needs_a_gradient_is_enough_for_a_backward(time):
    x = torch.ones(1, 2, 6, 6, requires_grad=True)
    assert back(profile(nn.ReLU(), x)) == {("", 0): RELU_BACK}
    assert x.grad is None


@dataclass
class Answer:
    first: torch.Tensor
    rest: dict


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize(
    "pack",
    [
        lambda a, b: (a, [b, 7], None),
        lambda a, b: {"a": a, "deep": {"b": b}, "label": "x"},
        lambda a, b: Answer(a, {"b": b}),
        lambda a, b: (Slotted(a), b, a.argmax(), a.detach()),
        lambda a, b: [a, a, b],
    ],
)
def test_a_backward_starts_from_every_output_however_it_is_packed(time, pack):
    model = Calls(lambda m, x: pack(m.a(x), m.b(x)), a=conv(), b=conv())
    assert back(profile(model)) == {("a", 0): CONV_BACK, ("b", 0): CONV_BACK}


def test_the_loss_is_the_sum_of_all_outputs(time):
    model = Calls(lambda m, x: {"a": m.a(x), "b": [m.b(m.a(x))]}, a=conv(), b=conv())
    x = torch.randn(1, 2, 6, 6)
    found = model(x)
    truth = torch.autograd.grad(found["a"].sum() + found["b"][0].sum(), model.a.weight)[0]
    seen = []
    handle = model.a.weight.register_hook(lambda gradient: seen.append(gradient.clone()))
    profile(model, x)
    handle.remove()
    assert len(seen) >= 8  # plain and instrumented, four rounds at least
    assert all(torch.allclose(gradient, truth, atol=1e-4) for gradient in seen)


@pytest.mark.parametrize("reentrant", [False, True])
def test_what_checkpointing_runs_again_counts_as_the_backward_of_its_layers(time, reentrant):
    def run(m, x):
        return checkpoint(lambda y: m.b(m.relu(m.a(y))), m.first(x), use_reentrant=reentrant)

    model = Calls(run, first=conv(), a=conv(), relu=nn.ReLU(), b=conv())
    result = profile(model)
    found = back(result)
    assert found["first", 0] == CONV_BACK
    assert found["a", 0] == CONV_BACK + CONV
    assert found["relu", 0] == RELU_BACK + COSTS["relu"]
    # The other kind stops as soon as all that the backward needs is there.
    assert found["b", 0] in ({CONV_BACK + CONV} if reentrant else {CONV_BACK, CONV_BACK + CONV})
    assert result.backward_coverage == pytest.approx(1, abs=1e-9)


class Custom(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.variable = x  # also an attribute of nodes that store gradients
        return x * 2

    @staticmethod
    def backward(_ctx, gradient):
        return gradient * 2


def test_functions_written_in_python_are_timed_like_others(time):
    model = nn.Sequential(conv(), Calls(lambda _, x: Custom.apply(x)))
    assert back(profile(model)) == {("0", 0): CONV_BACK, ("1", 0): COSTS["mul"]}


def test_gradients_are_left_as_they_were_found(time):
    model = Residual()
    model(torch.randn(2, 2, 6, 6)).sum().backward()
    model.norm.bias.grad = None
    before = {name: (p.grad, p.grad.clone() if p.grad is not None else None)
              for name, p in model.named_parameters()}  # fmt: skip
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    profile(model)
    for name, parameter in model.named_parameters():
        kept, content = before[name]
        assert parameter.grad is kept
        assert kept is None or torch.equal(kept, content)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())


def test_an_optimizer_that_steps_within_the_backward_leaves_the_weights_as_they_were(time):
    model = conv()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    handle = model.bias.register_post_accumulate_grad_hook(lambda _: optimizer.step())
    profile(model)
    handle.remove()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_leaf_that_no_module_knows_gets_its_gradient_back_too(time):
    scale = torch.ones(1, requires_grad=True)
    scale.grad = kept = torch.full((1,), 3.0)
    profile(Calls(lambda m, x: m.conv(x) * scale, conv=conv()))
    assert scale.grad is kept
    assert kept.item() == 3.0


def test_a_model_whose_backward_fails_is_one_clear_error(time):
    model = Calls(lambda m, x: _broken(m.conv(x)), conv=conv())
    with pytest.raises(ForwardError, match=r"^model: its backward raised RuntimeError: one of"):
        profile(model)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert "forward" not in vars(model)


def _broken(x):
    y = x.sigmoid()
    y2 = y * 1
    y.add_(1)  # sigmoid's backward needs the value that is gone
    return y2


class Stopping(torch.autograd.Function):
    left = 0

    @staticmethod
    def forward(_ctx, x):
        return x.clone()

    @staticmethod
    def backward(_ctx, gradient):
        Stopping.left -= 1
        if Stopping.left == 0:
            raise KeyboardInterrupt
        return gradient


@pytest.mark.parametrize("run", [1, 2, 3, 5])
def test_ctrl_c_within_a_backward_hands_over_what_there_is(time, run):
    time.factor = 100
    Stopping.left = run
    model = nn.Sequential(conv(), Calls(lambda _, x: Stopping.apply(x)), conv())
    model[0].weight.grad = kept = torch.zeros_like(model[0].weight)
    with pytest.raises(Interrupted) as caught:
        profile(model)
    assert [row.kind for row in caught.value.partial.layers] == ["conv2d", "other", "conv2d"]
    assert model[0].weight.grad is kept
    assert model[2].weight.grad is None
    assert not any("forward" in vars(module) for module in model.modules())


@contextmanager
def process_group(folder):
    distributed = torch.distributed
    distributed.init_process_group("gloo", init_method=f"file://{folder}/group", rank=0,
                                   world_size=1)  # fmt: skip
    try:
        yield
    finally:
        distributed.destroy_process_group()


@pytest.mark.skipif(sys.platform != "linux", reason="gloo over a file")
@pytest.mark.filterwarnings("ignore")
def test_a_model_for_data_parallelism_is_profiled_without_waiting_for_others(time, tmp_path):
    with process_group(tmp_path):
        model = nn.parallel.DistributedDataParallel(nn.Sequential(conv(), nn.ReLU()))
        x = torch.randn(2, 2, 6, 6)
        model(x).sum().backward()
        kept = [parameter.grad.clone() for parameter in model.parameters()]
        result = profile(model, x)
        assert back(result) == {("0", 0): CONV_BACK, ("1", 0): RELU_BACK}
        assert any("DistributedDataParallel" in warning for warning in result.warnings)
        same = zip(kept, model.parameters(), strict=True)
        assert all(torch.equal(gradient, parameter.grad) for gradient, parameter in same)
        assert model.require_backward_grad_sync
        model(x).sum().backward()  # still works
