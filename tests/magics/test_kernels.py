"""Names of kernels: oneDNN's lines, read and attributed to the row that ran them."""

import os
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

import magics
from magics.measurement.kernels import onednn_name

needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN"
)

LINES = b"""\
onednn_verbose,v1,info,oneDNN v3.12.0 (commit 80afa71)
onednn_verbose,v1,primitive,info,template:operation,engine,primitive,implementation,prop_kind
a line of the model's own
onednn_verbose,v1,primitive,exec,cpu,reorder,jit:blk,undef,src:f32::blocked:abcd::f0,,,1x16x32x32,7.6
onednn_verbose,v1,primitive,exec,cpu,reorder,jit:blk,undef,src:f32::blocked:abcde::f0,,,16x1x1x3x3,0.1
onednn_verbose,v1,primitive,exec,cpu,convolution,jit_dw:avx512_core,forward_training,src,,,g16,7.7
onednn_verbose,v1,primitive,exec,cpu,reorder,jit:blk,undef,src:f32::blocked:aBcd16b::f0,,,1x16,7.8
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (LINES, "jit_dw:avx512_core + 3 reorders"),
        (b"".join(LINES.splitlines(keepends=True)[:6]), "jit_dw:avx512_core + 2 reorders"),
        (b"onednn_verbose,exec,cpu,convolution,gemm:jit,forward,x\n", None),
        (b"onednn_verbose,primitive,exec,cpu,convolution,gemm:jit,forward,x\n", "gemm:jit"),
        (b"onednn_verbose,v1,1234.5,primitive,exec,cpu,matmul,brg,undef,x\n" * 2, "brg x2"),
        (b"onednn_verbose,v1,primitive,exec,cpu,reorder,jit,undef\n", "1 reorder"),
        (b"onednn_verbose,v1,primitive,exec,cpu\n", None),
        (b"onednn_verbose,v1,info,cpu,isa:Intel AVX-512\n", None),
        (b"hello\n", None),
        (b"", None),
    ],
)
def test_the_implementation_is_read_from_onednns_lines(text, name):
    assert onednn_name(text) == name


def named(model, x):
    found = magics.profile(model, x, measure=False, kernels=True, receptive_field=False)
    return {(layer.name, layer.call_index): layer.kernel for layer in found.layers}


@needs_onednn
def test_a_layer_gets_the_kernel_that_onednn_prints_for_it_alone():
    depthwise = nn.Conv2d(16, 16, 3, groups=16)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), depthwise, nn.MaxPool2d(2), nn.Flatten()).eval()
    x = torch.rand(2, 3, 34, 34)
    found = named(model, x)
    script = """
        import torch
        x = torch.rand(2, 16, 32, 32)
        layer = torch.nn.Conv2d(16, 16, 3, groups=16).eval()
        with torch.no_grad():
            layer(x)
    """
    alone = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "ONEDNN_VERBOSE": "1"},
        capture_output=True,
        check=True,
    )
    assert found["1", 0] == onednn_name(alone.stdout)
    assert found["1", 0]
    assert found["0", 0]
    assert found["2", 0] is None  # no kernel of oneDNN's


@needs_onednn
def test_another_memory_layout_has_another_kernel():
    depthwise = nn.Conv2d(16, 16, 3, groups=16).eval()
    x = torch.rand(1, 16, 32, 32)
    plain = named(nn.Sequential(depthwise), x)["0", 0]
    last = named(nn.Sequential(depthwise), x.to(memory_format=torch.channels_last))["0", 0]
    assert plain != last


@needs_onednn
def test_each_call_of_a_layer_has_its_own_kernel():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 3, groups=8)

        def forward(self, x):
            return self.conv(self.conv(x))

    found = named(Twice().eval(), torch.rand(1, 8, 16, 16))
    assert list(found) == [("conv", 0), ("conv", 1)]
    assert all(found.values())


def test_names_are_found_only_on_request():
    model = nn.Sequential(nn.Conv2d(1, 1, 3)).eval()
    found = magics.profile(model, "1x1x8x8", measure=False)
    assert [layer.kernel for layer in found.layers] == [None]


class Talks(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3)

    def forward(self, x):
        os.write(1, b"from below\n")
        print("from Python")  # noqa: T201, it is what the model does
        return self.conv(x)


def test_what_the_model_prints_meanwhile_is_passed_on_and_onednns_lines_are_not(capfd):
    model = Talks().eval()
    magics.profile(model, "1x1x8x8", measure=False)
    once = capfd.readouterr().out
    assert named(model, "1x1x8x8")
    out, err = capfd.readouterr()
    assert out.count("from below\n") == 2 * once.count("from below\n") == 2
    assert out.count("from Python\n") == 2
    assert "onednn_verbose" not in out + err
    os.write(1, b"still here\n")
    assert capfd.readouterr().out == "still here\n"


def test_a_model_that_raises_then_leaves_standard_output_as_it_was(capfd):
    class Once(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)
            self.calls = [0]

        def forward(self, x):
            self.calls[0] += 1
            if self.calls[0] > 1:
                raise ValueError("only once")
            return self.conv(x)

    model = Once().eval()
    found = magics.profile(model, "1x1x8x8", measure=False, kernels=True)
    assert [layer.kernel for layer in found.layers] == [None]
    assert "No names of kernels: the model ran before, then raised ValueError: only once" in (
        found.warnings
    )
    os.write(1, b"still here\n")
    assert capfd.readouterr().out == "still here\n"
    with torch.no_grad():
        model.conv(torch.rand(1, 1, 8, 8))
    assert "onednn_verbose" not in capfd.readouterr().out
