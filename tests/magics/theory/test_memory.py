"""The peak at another batch size, and the state of optimizers, by arithmetic."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from magics.records import LayerProfile, Profile
from magics.theory.memory import (
    adam_state_bytes,
    momentum_state_bytes,
    peaks_of,
    predicted_peak,
)

SIZES = st.integers(0, 1 << 30)


@given(st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=9), st.integers(3, 4096))
def test_places_that_are_linear_in_the_batch_size_are_predicted_exactly(lines, batch):
    def peaks(size):
        return [fixed + slope * size for fixed, slope in lines]

    assert predicted_peak((1, peaks(1)), (2, peaks(2)), batch) == max(peaks(batch))


def test_another_place_can_have_the_peak_at_another_batch_size():
    # A fixed 100 bytes hide a place with 30 per sample, until there are four samples.
    assert predicted_peak((1, [100, 30]), (2, [100, 60]), 4) == 120


@pytest.mark.parametrize(
    ("first", "second"),
    [((1, [1]), (1, [1])), ((1, [1]), (2, [1, 2])), ((1, []), (2, []))],
)
def test_a_prediction_needs_the_same_places_at_two_batch_sizes(first, second):
    with pytest.raises(ValueError, match="two batch sizes and the same places"):
        predicted_peak(first, second, 4)


def test_the_peaks_of_a_profile_are_those_of_its_rows_and_of_the_whole_run():
    rows = [LayerProfile(name=f"layer{n}", kind="conv2d", peak_bytes=n) for n in (7, 9)]
    other = LayerProfile(name="everything else", kind="other", peak_bytes=8)
    known = {"model": "Net", "inputs": "", "layers": tuple(rows), "other": other, "params": 0}
    assert peaks_of(Profile(**known, memory={"inference_peak": 9})) == (7, 9, 8, 9)
    assert peaks_of(Profile(**known, memory={"training_peak": 20})) == (7, 9, 8, 20)
    with pytest.raises(ValueError, match="profile with memory=True"):
        peaks_of(Profile(**known))


@pytest.mark.parametrize(
    ("optimizer", "predicted"),
    [
        (lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), momentum_state_bytes),
        (lambda p: torch.optim.Adam(p, 0.1), adam_state_bytes),
        (lambda p: torch.optim.AdamW(p, 0.1), adam_state_bytes),
    ],
)
def test_the_optimizer_state_is_what_torch_keeps_after_a_step(optimizer, predicted):
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Conv2d(5, 2, 1, bias=False))
    parameters = list(model.parameters())
    step = optimizer(parameters)
    model(torch.rand(2, 3, 6, 6)).sum().backward()
    step.step()
    kept = [
        value
        for state in step.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    ]
    assert predicted([p.numel() * p.element_size() for p in parameters]) == sum(
        value.numel() * value.element_size() for value in kept
    )
