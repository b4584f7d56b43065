"""Batch norm and elementwise layers by hand."""

import pytest

from magics.theory import Layer, UnknownKindError, backward_cost, cost

ELEMENTS = 4 * 16 * 10 * 10
CHANNELS = 16


def norm(**changes):
    shape = (4, 16, 10, 10)
    return Layer(**{"kind": "batch_norm", "input_shape": shape, "output_shape": shape, **changes})


def test_batch_norm_in_eval_scales_and_shifts_in_one_pass():
    found = cost(norm())
    assert (found.macs, found.flops) == (0, 0)
    assert found.total_flops == found.elementwise_flops == 2 * ELEMENTS
    # Weight, bias, mean and variance: four numbers a channel.
    assert found.bytes_moved == 4 * (2 * ELEMENTS + 4 * CHANNELS)
    assert found.repeat_bytes == 0


def test_batch_norm_in_training_reads_its_input_a_second_time():
    found = cost(norm(training=True))
    assert found.elementwise_flops == 6 * ELEMENTS
    assert found.repeat_bytes == 4 * ELEMENTS
    # Written back: running mean and variance, and mean and deviation kept for backward.
    assert found.bytes_written == 4 * (ELEMENTS + 2 * CHANNELS + 2 * CHANNELS)


def test_batch_norm_without_parameters_or_statistics_reads_its_input_alone():
    found = cost(norm(training=True, affine=False, running_stats=False))
    assert found.bytes_read == 4 * ELEMENTS


def test_the_backward_of_batch_norm_makes_five_passes_in_training():
    found = backward_cost(norm(training=True))
    # dy and x twice, dx once; besides weight, mean and deviation, and two gradients a channel.
    passes = found.bytes_moved + found.repeat_bytes
    assert passes == 4 * (5 * ELEMENTS + 3 * CHANNELS + 2 * CHANNELS)
    assert found.elementwise_flops == 9 * ELEMENTS


@pytest.mark.parametrize(
    ("changes", "flops"),
    [
        ({}, 1 + 4),  # dy * scale; sum of dy, and centre, multiply, add for dy * x
        ({"needs_weight_grad": False}, 1),
        ({"affine": False}, 1),
        ({"needs_input_grad": False}, 4),
        ({"needs_input_grad": False, "training": True}, 4),
        ({"needs_input_grad": False, "affine": False}, 0),
    ],
)
def test_the_backward_of_frozen_batch_norm_depends_on_what_needs_a_gradient(changes, flops):
    assert backward_cost(norm(**changes)).elementwise_flops == flops * ELEMENTS


def test_sync_batch_norm_costs_what_batch_norm_costs_on_one_process():
    assert cost(norm(kind="sync_batch_norm")) == cost(norm())


def test_an_elementwise_layer_by_hand():
    shape = (2, 5)
    relu = Layer(kind="other", input_shape=shape, output_shape=shape, flops_per_output=1)
    assert cost(relu).elementwise_flops == 10
    assert cost(relu).bytes_moved == 4 * (10 + 10)
    total = Layer(
        kind="other", input_shape=shape, other_shape=shape, output_shape=shape, flops_per_output=1
    )
    assert cost(total).bytes_moved == 4 * (10 + 10 + 10)
    assert backward_cost(total).bytes_moved == 4 * (10 + 20 + 20)
    frozen = Layer(
        kind="other",
        input_shape=shape,
        output_shape=shape,
        flops_per_output=1,
        needs_input_grad=False,
    )
    assert backward_cost(frozen).bytes_moved == 0


@pytest.mark.parametrize("count", [cost, backward_cost])
def test_an_operation_nobody_knows_is_uncounted_and_not_free(count):
    with pytest.raises(UnknownKindError, match=r"no \w+ formula for kind 'other'"):
        count(Layer(kind="other", input_shape=(1,), output_shape=(1,)))
