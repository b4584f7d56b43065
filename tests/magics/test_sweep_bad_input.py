"""What can't be swept is told in one line, before anything is run."""

import pytest
import torch
from sweeping import net
from torch import nn

import magics
from magics.errors import InputError


class Wide(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)


@pytest.mark.parametrize(
    ("model", "asked", "message"),
    [
        (net(), {}, "sweep: one axis or two (got none)"),
        (net(), {"batch": [1, "x"]}, "batch: must be a whole number from 1 (got 'x')"),
        (net(), {"groups": [1, 3]}, "groups: no layer for it (got groups=3, and no convolution"),
        (net(), {"channels": [3]}, "3: channels: "),
        (net(), {"dtype": ["fp32", "fp23"]}, "dtype: unknown (got 'fp23'); did you mean fp32?"),
        (net(), {"device": ["cpu", "cuda"]}, "device: not to be had here (got 'cuda')"),
        (net(), {"device": ["cpu", "meta"]}, "device: there is no clock for it (got 'meta')"),
        (net(), {"size": ["8x8x8"]}, "size: not as many axes as the input (got 8x8x8 for 8x8)"),
        (net(), {"batch": [1, 2], "mdoe": "eval"}, "mdoe: no such option (got mdoe='eval'); did"),
        (net(), {"batch": [1, 2], "budget": -1}, "budget: must be a number of seconds above 0"),
        (net(), {"batch": [1, 2], "kernels": True}, "kernels: a sweep has no rows of layers"),
        (net(), {"batch": [1, 2, ...], "measure": False}, "batch: without times nothing ends it"),
        (net(), {"batch": [1, 2], "resume": "/no/such/folder/x.json"}, "resume: /no/such/folder/x"),
        (Wide, {"batch": [1, 2]}, "MODEL: a class, not a model (got Wide)"),
        (torch.relu, {"groups": [1, 2]}, "groups: only a module can be altered (got relu)"),
        (7, {"batch": [1, 2]}, "MODEL: not a model (got int)"),
    ],
)  # fmt: skip
def test_what_cannot_be_swept_is_told_in_one_line_before_anything_runs(
    model, asked, message, monkeypatch
):
    if message.startswith("3: channels"):
        model = nn.Sequential(*net()[:3], nn.Conv2d(4, 4, 1, groups=2))
    monkeypatch.setattr(nn.Module, "__call__", lambda *_args, **_kwargs: pytest.fail("it ran"))
    with pytest.raises(InputError) as caught:
        magics.sweep(model, "2x4x8x8", **asked)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_inputs_that_are_missing_or_have_no_such_axis_are_told():
    for inputs, asked, message in (
        ((), {"batch": [1, 2]}, "INPUT: missing"),
        (("2x4xx8",), {"batch": [1, 2]}, "INPUT: "),
        (("2x9",), {"size": [1, 2]}, "size: no input with height or width"),
        ((torch.tensor(1.0),), {"batch": [1, 2]}, "batch: no input with a batch size"),
    ):
        with pytest.raises(InputError) as caught:
            magics.sweep(net(), *inputs, **asked)
        assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("model", "sizes", "asked"),
    [
        (nn.Conv1d(4, 4, 3), (4, 8), {"batch": [1, 2]}),
        (net(), (4, 8, 8), {"size": [8, 16]}),
        (nn.Sequential(nn.LazyConv2d(4, 3)), (4, 8, 8), {"channels": [4, 8]}),
        (nn.Sequential(nn.Flatten(0, 0), nn.ConvTranspose3d(1, 1, 3)), (1, 4, 4, 4),
         {"threads": [1, 2]}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("given_as", ["shape", "tensor"])
def test_a_sample_without_a_batch_is_no_batch_of_its_channels(model, sizes, asked, given_as):
    shown = "x".join(map(str, sizes))
    with pytest.raises(InputError, match=f"INPUT: no batch .got {shown}, .*: 1x{shown}"):
        magics.sweep(model, shown if given_as == "shape" else torch.ones(sizes), **asked)


def test_a_device_without_a_clock_does_where_none_is_read():
    found = magics.sweep(net(), "2x4x8x8", device=["cpu", "meta"], measure=False)
    assert [point.status for point in found.points] == ["counted", "counted"]
    assert found.points[0].macs == found.points[1].macs
