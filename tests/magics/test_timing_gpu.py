"""What only a CUDA device shows; run by benchmarks/gpu.sh where there is one."""

import pytest
import torch
from nets import Calls
from torch import nn
from torch.utils.checkpoint import checkpoint

import magics

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

QUICK = {"budget": 0.3, "roofline": False}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.norm(self.conv(x))
        out += x
        return self.relu(out)


def network():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), Block(), Block(), nn.Flatten())


def image(device="cuda"):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 3, 32, 32, generator=generator).to(device)


def sums(rows, name):
    """Return the sum over rows of each round's times [s]."""
    series = [getattr(row, name).replicates_s for row in rows if getattr(row, name)]
    return [sum(each) for each in zip(*series, strict=True)]


def test_times_come_from_events_and_rows_add_up_to_every_instrumented_run():
    result = magics.profile(network().cuda().eval(), image(), **QUICK)
    assert result.environment["clock"] == result.plain.clock == "cuda"
    assert result.environment["machine"] == torch.cuda.get_device_name()
    whole = result.instrumented.replicates_s
    assert sums(result.rows, "forward") == pytest.approx(whole, rel=1e-6)
    assert all(row.forward.median_s > 0 for row in result.layers if row.kind == "conv2d")


def test_backward_times_add_up_to_every_instrumented_backward():
    result = magics.profile(network().cuda(), image(), mode="train", backward=True, **QUICK)
    whole = result.instrumented_backward.replicates_s
    assert sums(result.rows, "backward") == pytest.approx(whole, rel=1e-6)
    assert all(row.backward.median_s > 0 for row in result.layers if row.kind == "conv2d")


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_layers_have_backward_times(reentrant):
    def run(m, x):
        return checkpoint(m.rest, m.first(x), use_reentrant=reentrant)

    first, *rest = network()
    model = Calls(run, first=first, rest=nn.Sequential(*rest)).cuda()
    result = magics.profile(model, image(), backward=True, **QUICK)
    assert all(row.backward for row in result.layers if row.kind == "conv2d")


def test_the_whole_model_is_timed_as_one_graph_too():
    result = magics.profile(network().cuda().eval(), image(), **QUICK)
    assert result.environment["cuda_graph_forward"]
    assert any(text.startswith("As one CUDA graph") for text in result.warnings)


def test_a_model_that_waits_for_the_device_is_profiled_without_a_graph_and_harms_nothing():
    def run(m, x):
        return m.conv(x) * (1 if x.sum().item() > 0 else 2)

    model = Calls(run, conv=nn.Conv2d(3, 8, 3)).cuda()
    result = magics.profile(model, image(), **QUICK)
    assert result.plain is not None
    assert "cuda_graph_forward" not in result.environment
    assert any("As one CUDA graph, the model could not" in text for text in result.warnings)
    assert torch.rand(3, device="cuda").add(1).sum().item() > 0


def test_settings_that_change_the_speed_are_told_and_left_as_they_were(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    result = magics.profile(network().cuda().eval(), image(), **QUICK)
    assert result.environment["cudnn_benchmark"] == "on"
    assert result.environment["tf32"].startswith("matmul ")
    assert torch.backends.cudnn.benchmark
    assert (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()) == before


def test_everything_is_left_as_it_was_found():
    model = network().cuda()
    model(image()).sum().backward()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = {name: (p.grad, p.grad.clone()) for name, p in model.named_parameters()}
    random = torch.cuda.get_rng_state()
    magics.profile(nn.Sequential(model, nn.Dropout()), image(), backward=True, **QUICK)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    for name, parameter in model.named_parameters():
        assert parameter.grad is gradients[name][0]
        assert torch.equal(parameter.grad, gradients[name][1])
    assert torch.equal(torch.cuda.get_rng_state(), random)


def test_counts_are_those_of_the_processor():
    model = network().eval()
    there = magics.profile(model, image("cpu"), measure=False)
    here = magics.profile(model, image("cpu"), measure=False, device="cuda")
    assert [(row.name, row.macs) for row in here.layers] == [
        (row.name, row.macs) for row in there.layers
    ]
    assert next(model.parameters()).device.type == "cpu"


def test_the_stream_that_is_current_is_the_one_that_is_measured():
    model = network().cuda().eval()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        result = magics.profile(model, image(), **QUICK)
    whole = result.instrumented.replicates_s
    assert sums(result.rows, "forward") == pytest.approx(whole, rel=1e-6)
