"""The registry of formulas, and how costs add up."""

import subprocess
import sys

import pytest

from magics.errors import ConvProfileError, InputError
from magics.theory import (
    KINDS,
    Cost,
    Layer,
    UnknownKindError,
    backward_cost,
    cost,
    formulas,
    register_formula,
)


@pytest.fixture
def registry(monkeypatch):
    """Let a test register formulas that vanish with it."""
    monkeypatch.setattr(formulas, "_forward", dict(formulas._forward))
    monkeypatch.setattr(formulas, "_backward", dict(formulas._backward))


def example(kind):
    return Layer(kind=kind, input_shape=(1, 2, 4), output_shape=(1, 2, 4))


def test_every_kind_has_a_formula_for_both_passes():
    assert set(formulas._forward) == set(formulas._backward) == set(KINDS)


@pytest.mark.parametrize(("count", "direction"), [(cost, "forward"), (backward_cost, "backward")])
def test_an_unknown_kind_is_named_in_the_error(count, direction):
    with pytest.raises(UnknownKindError) as caught:
        count(example("deform_conv2d"))
    assert caught.value.kind == "deform_conv2d"
    assert isinstance(caught.value, ConvProfileError)
    assert str(caught.value) == (
        f"no {direction} formula for kind 'deform_conv2d'; "
        "register one with magics.register_formula('deform_conv2d')"
    )


@pytest.mark.usefixtures("registry")
def test_a_registered_formula_counts_and_stays_callable():
    @register_formula("deform_conv2d", "deform_conv3d")
    def formula(layer):
        return Cost(macs=layer.output_elements)

    @register_formula("deform_conv2d", backward=True)
    def backward(layer):
        return Cost(macs=2 * layer.output_elements)

    assert cost(example("deform_conv2d")).macs == cost(example("deform_conv3d")).macs == 8
    assert backward_cost(example("deform_conv2d")).macs == 16
    assert formula(example("anything")).macs == 8
    assert backward(example("anything")).macs == 16


@pytest.mark.usefixtures("registry")
def test_a_second_formula_for_a_kind_is_refused_and_none_of_its_kinds_registered():
    with pytest.raises(InputError) as caught:
        register_formula("roi_align", "conv2d")(example)
    assert str(caught.value) == (
        "register_formula: kind 'conv2d' has a forward formula already (weighted_cost); "
        "choose another kind"
    )
    with pytest.raises(UnknownKindError):
        cost(example("roi_align"))


def test_a_formula_for_no_kind_is_refused():
    with pytest.raises(InputError, match="no kind given; name at least one"):
        register_formula()


def test_costs_add_up_field_by_field():
    first = Cost(macs=1, elementwise_flops=2, bytes_read=3, bytes_written=4, useful_macs=1)
    total = first + Cost(macs=10, grad_input_macs=5, grad_weight_macs=5, repeat_bytes=7)
    assert (total.macs, total.flops, total.total_flops) == (11, 22, 24)
    assert (total.bytes_moved, total.repeat_bytes) == (7, 7)
    assert (total.grad_input_macs, total.grad_weight_macs) == (5, 5)
    assert total.useful_fraction == 1 / 11


def test_a_cost_of_nothing_divides_by_nothing():
    assert (Cost().useful_fraction, Cost().arithmetic_intensity) == (1.0, 0.0)


def test_theory_reaches_neither_torch_nor_ipython_nor_numpy():
    code = (
        "import sys, magics.theory.receptive_field, magics.theory.roofline;"
        "print([name for name in ('torch', 'IPython', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
