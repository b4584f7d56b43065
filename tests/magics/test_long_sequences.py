"""Fields of running operations over a long sequence: the gradient's, at little cost."""

import pytest
import torch
from torch import nn

import magics

LENGTH = 16_384


class Running(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.run = run
        self.first = nn.Conv1d(1, 2, 3, padding=1)
        self.last = nn.Conv1d(2, 2, 3, padding=1)

    def forward(self, x):
        return self.last(self.run(self.first(x)))


@pytest.mark.parametrize(
    "run",
    [
        lambda x: x.cumsum(-1),
        lambda x: x.flip(-1).cumsum(-1).flip(-1),
        lambda x: x.cumsum(-1)[..., ::2].cumsum(-1),
    ],
    ids=["forwards", "backwards", "twice"],
)
def test_a_running_sum_over_a_long_sequence_sees_where_the_gradient_is_not_zero(run):
    model = Running(run)
    x = torch.rand(1, 1, LENGTH, requires_grad=True)
    output = model(x)
    output[0, :, output.shape[-1] // 2].sum().backward()
    seen = x.grad[0, 0].nonzero().flatten()
    field = magics.profile(model, x.detach(), measure=False).layers[-1].receptive_field
    assert field.size == (int(seen.max() - seen.min()) + 1,)
    assert LENGTH / 3 < field.size[0] < LENGTH


class Recurrent(nn.LSTM):
    def forward(self, x):
        return super().forward(x.transpose(1, 2))[0].transpose(1, 2)


def test_a_recurrent_layer_over_a_long_sequence_sees_all_before():
    """The gradient fades over so many steps; the operators still depend on every one."""
    model = Running(Recurrent(2, 2, batch_first=True))
    field = magics.profile(model, f"1x1x{LENGTH}", measure=False).layers[-1].receptive_field
    # The centre, one further by the last convolution, one further by the first.
    assert field.size == (LENGTH // 2 + 3,)
