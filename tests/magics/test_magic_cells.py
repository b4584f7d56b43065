"""``%%convprofile``: a cell runs once, as it would by itself, and every layer it calls is told."""

import signal

import pytest
import torch
from IPython.utils.capture import capture_output
from nets import resnet18
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import magics
from magics.records import Profile


def small():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 2),
    )


@pytest.fixture
def shell(one_shell):
    one_shell.reset(new_session=False)
    torch.manual_seed(0)
    one_shell.user_ns.update(
        net=small(), x=torch.rand(2, 3, 8, 8), y=torch.tensor([0, 1]),
        torch=torch, nn=nn, functional=functional,
    )  # fmt: skip
    return one_shell


def run(shell, cell, line="-o kept"):
    """Run a cell under the magic; return its result, what it displayed, and the profile."""
    with capture_output() as shown:
        result = shell.run_cell(f"%%convprofile {line}\n{cell}")
    return result, shown, shell.user_ns.get("kept")


TRAINING = """
optimizer = torch.optim.SGD(net.parameters(), 0.1)
losses = []
for _ in range(5):
    optimizer.zero_grad()
    loss = functional.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
losses
"""
CONV_MACS = 2 * 4 * 36 * 27  # a batch of 2, 4 channels of 6x6, 27 taps


def test_a_training_loop_is_told_layer_by_layer(shell):
    _, _, kept = run(shell, TRAINING)
    rows = {row.name: row for row in kept.layers}
    assert list(rows) == ["net.0", "net.1", "net.3", "net.5"]
    assert [row.kind for row in rows.values()] == ["conv2d", "batch_norm", "max_pool2d", "linear"]
    assert {row.calls for row in rows.values()} == {5}
    assert rows["net.0"].macs == 5 * CONV_MACS
    assert rows["net.0"].backward_macs == 5 * CONV_MACS  # the image needs no gradient
    assert rows["net.5"].backward_macs == 2 * rows["net.5"].macs
    assert rows["net.0"].params == 4 * 27
    assert kept.total.params == sum(p.numel() for p in shell.user_ns["net"].parameters())
    for row in rows.values():
        assert row.forward.median_s > 0
        assert row.backward.median_s > 0
        assert row.per_call.count == 5


def test_a_cell_runs_exactly_once_and_does_what_it_would_do_alone(shell):
    run(shell, TRAINING)
    seen = shell.user_ns["losses"]
    weights = [p.detach().clone() for p in shell.user_ns["net"].parameters()]
    torch.manual_seed(0)
    shell.user_ns["net"] = small()
    shell.user_ns["x"] = torch.rand(2, 3, 8, 8)
    assert shell.run_cell(TRAINING).success
    assert shell.user_ns["losses"] == seen
    assert all(map(torch.equal, weights, shell.user_ns["net"].parameters()))


def test_counts_are_those_of_the_model_by_itself(shell):
    shell.user_ns["net"] = net = resnet18().eval()
    _, _, kept = run(shell, "with torch.no_grad(): net(torch.rand(1, 3, 64, 64))")
    alone = magics.profile(net, "1x3x64x64", measure=False)
    layers = [row for row in alone.layers if row.kind != "other"]
    assert [f"net.{row.name}" for row in layers] == [row.name for row in kept.layers]
    for one, other in zip(layers, kept.layers, strict=True):
        for name in ("kind", "macs", "useful_macs", "bytes_moved", "elementwise_flops", "params",
                     "kernel_size", "stride", "padding", "groups", "output_shape"):  # fmt: skip
            assert getattr(one, name) == getattr(other, name), name
    assert kept.total.params == alone.total.params


def test_rows_add_up_to_the_whole_cell(shell):
    _, _, kept = run(shell, TRAINING)
    assert kept.coverage == pytest.approx(1)
    assert kept.backward_coverage == pytest.approx(1)


def test_output_and_last_value_are_kept(shell):
    with capture_output() as shown:
        result = shell.run_cell("%%convprofile\nprint('seen')\nz = net(x)\nz.shape[0]")
    assert result.result == 2
    assert "seen\n" in shown.stdout
    assert shell.user_ns["z"].shape == (2, 2)
    assert len(shown.outputs) == 1
    with capture_output():
        shell.run_cell("%%convprofile -q\n6 * 7", store_history=True)
    assert shell.user_ns["_"] == 42


@pytest.mark.parametrize(
    ("cell", "value"), [("z = 1;\nz;", None), ("if x is not None:\n    5", None), ("3", 3)]
)
def test_only_a_last_expression_is_a_value(shell, cell, value):
    result, _, _ = run(shell, cell)
    assert result.success
    assert result.result == value


def test_magics_and_shell_commands_work_in_the_cell(shell):
    result, _, kept = run(shell, "%time z = net(x)\nwords = !echo hello")
    assert result.success
    assert shell.user_ns["words"] == ["hello"]
    assert len(kept.layers) == 4


def test_functional_calls_wherever_they_are_made(shell):
    shell.run_cell("from torch.nn.functional import conv2d as folded")
    cell = """
weight = torch.rand(5, 3, 3, 3)
folded(x, weight, padding=1)
torch.conv2d(x, weight)
torch.max_pool2d(x, 2)
functional.batch_norm(x, None, None, training=True)
x @ x
class Net(nn.Module):
    def forward(self, x):
        return functional.avg_pool2d(x, 2)
Net()(x)
"""
    _, _, kept = run(shell, cell)
    assert [(row.name, row.kind, row.call_index) for row in kept.layers] == [
        ("conv2d()", "conv2d", 0),
        ("conv2d()", "conv2d", 1),
        ("max_pool2d()", "max_pool2d", 0),
        ("batch_norm()", "batch_norm", 0),
        ("matmul()", "matmul", 0),
        ("Net.avg_pool2d()", "avg_pool2d", 0),
    ]
    assert kept.layers[0].macs == 2 * 5 * 64 * 27
    assert shell.user_ns["folded"] is functional.conv2d


def test_one_layer_called_with_several_sizes_is_one_row_that_says_so(shell):
    cell = "for n in (1, 2, 2, 3): net(torch.rand(n, 3, 8, 8))"
    _, _, kept = run(shell, cell)
    conv = kept.layers[0]
    assert conv.calls == 4
    assert conv.macs == 8 * CONV_MACS // 2
    assert "several sizes" in conv.note


def test_models_in_lists_and_models_without_a_name(shell):
    cell = """
nets = [nn.Conv2d(3, 1, 1), nn.Conv2d(3, 1, 1)]
for each in nets: each(x)
def f(): return nn.Conv2d(3, 2, 1)(x)
f()
"""
    _, _, kept = run(shell, cell)
    assert [row.name for row in kept.layers] == ["nets[0]", "nets[1]", "Conv2d"]


def test_what_a_checkpoint_runs_again_is_time_of_the_backward(shell):
    shell.user_ns["checkpoint"] = checkpoint
    _, _, kept = run(shell, "checkpoint(net, x, use_reentrant=False).sum().backward()")
    assert {row.calls for row in kept.layers} == {1}
    assert kept.layers[0].macs == CONV_MACS


def test_errors_show_as_usual_with_what_ran_until_then(shell):
    cell = "net(x)\ndef fails():\n    net(x[:, :2])\nfails()"
    result, shown, kept = run(shell, cell)
    assert isinstance(result.error_in_exec, RuntimeError)
    assert "raised RuntimeError" in str(kept)
    assert kept.layers[0].calls == 1
    text = shown.stdout
    assert "magics" not in text.replace("%%convprofile", "").replace("run_cell_magic", "")
    assert "line 5" in text  # fails(), as the user counts
    assert len(shown.outputs) == 1


def test_ctrl_c_gives_what_ran_until_then(shell):
    shell.user_ns["signal"] = signal
    cell = "net(x)\nsignal.raise_signal(signal.SIGINT)\nnet(x)"
    result, _, kept = run(shell, cell)
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    assert kept.layers[0].calls == 1
    assert "interrupted" in str(kept)


@pytest.mark.parametrize(
    ("line", "cell", "message"),
    [
        ("", "import asyncio\nawait asyncio.sleep(0)", "a cell that awaits can't be profiled"),
        ("net x", "1", "a cell says itself what it runs (got 'net x')"),
        ("--mode eval", "1", "--mode: not for a cell"),
        ("--budget 3", "1", "--budget: not for a cell"),
        ("--kernels", "1", "--kernels: not for a cell"),
        ("--receptive-field", "1", "--receptive-field: not for a cell"),
        ("-r", "1", "-r: a cell keeps its own value; write -o NAME"),
        ("--topp 3", "1", "--topp: no such option; did you mean --top?"),
        ("--sort tiem", "1", "sort: unknown (got 'tiem'); did you mean time?"),
    ],
)
def test_a_wrong_line_is_one_line_and_the_cell_does_not_run(shell, line, cell, message):
    result, shown, _ = run(shell, f"ran = True\n{cell}", line)
    assert not result.success
    said = (shown.stdout + shown.stderr).strip()
    assert said.startswith(f"UsageError: %%convprofile: {message}")
    assert len(said.splitlines()) == 1
    assert "ran" not in shell.user_ns


def test_leaving_out_what_a_cell_has_not_anyway_is_no_mistake(shell):
    _, _, kept = run(shell, "net(x)", "-o kept --no-receptive-field --backward --threads 1")
    assert len(kept.layers) == 4


def test_memory_and_roofline_are_told_unless_left_out(shell):
    _, _, kept = run(shell, TRAINING, "-o kept --threads 1")
    assert {row.bound is None for row in kept.layers} == {False}
    assert kept.memory["saved"] == sum(row.saved_bytes or 0 for row in kept.rows) > 0
    _, _, kept = run(shell, TRAINING, "-o kept --no-memory --no-roofline")
    assert {row.bound for row in kept.layers} == {None}
    assert {row.saved_bytes for row in kept.rows} == {None}
    _, _, kept = run(shell, TRAINING, "-o kept --memory --no-measure")
    assert kept.memory["saved"] > 0


def test_views_apply_to_cells(shell):
    _, shown, kept = run(shell, "net(x)", "-o kept --only conv --stable")
    assert [row.kind for row in kept.layers] == ["conv2d"]
    assert kept.plain is None
    assert " ms" not in shown.outputs[0].data["text/plain"]


def test_the_header_says_that_it_was_one_run(shell):
    _, shown, kept = run(shell, TRAINING)
    for form in ("text/plain", "text/html"):
        text = " ".join(shown.outputs[0].data[form].split())
        assert "the cell ran once" in text
        assert "cost of the clocks" in text
    assert Profile.from_json(kept.to_json()) == kept


def test_a_cell_without_layers_says_so(shell):
    _, shown, kept = run(shell, "sum(range(10))")
    assert kept.layers == ()
    text = shown.outputs[0].data["text/plain"]
    assert "called no convolution" in text
    assert "clocks (" not in text


def test_nothing_stays_replaced(shell):
    call, run_backward = nn.Module.__call__, torch.autograd._engine_run_backward
    for cell in (TRAINING, "raise ValueError"):
        run(shell, cell)
        assert nn.Module.__call__ is call
        assert torch.autograd._engine_run_backward is run_backward
    assert all("forward" not in vars(module) for module in shell.user_ns["net"].modules())


def test_compiled_models_run_as_they_do(shell):
    cell = "fast = torch.compile(net, backend='eager')\nout = fast(x)"
    with torch.no_grad():
        expected = shell.user_ns["net"].eval()(shell.user_ns["x"])
    result, _, _ = run(shell, cell)
    assert result.success
    assert torch.allclose(shell.user_ns["out"], expected)
