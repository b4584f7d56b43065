"""Rules of the operators that multiply matrices or treat dimensions as sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.measurement.fields.combining import broadcast, joined
from magics.measurement.fields.layout import LostError
from magics.measurement.fields.mixing import mixed
from magics.measurement.fields.places import Place, dropped
from magics.measurement.fields.rules import Result, dims_of, rule, shape_of
from magics.theory.axis_maps import running

if TYPE_CHECKING:
    from magics.measurement.fields.reading import Reading
    from magics.measurement.fields.tape import Ref, Step


def _product(run: Reading, first: Ref, second: Ref, shape: tuple[int, ...]) -> Place | None:
    """Return the place of a matrix product, batches and vectors included."""
    left, right = run.place(first), run.place(second)
    if left is not None:
        left = mixed(run.canvas, left, [len(first.shape) - 1], keep=False)
        if len(second.shape) == 1:
            left = dropped(left, [len(first.shape) - 1])
    if right is not None:
        along = max(len(second.shape) - 2, 0)
        right = mixed(run.canvas, right, [along], keep=False)
        if len(first.shape) == 1 or len(second.shape) == 1:
            right = dropped(right, [along])
    place = joined(run.canvas, [left, right], shape)
    return None if place is None else broadcast(place, shape)


@rule("mm", "bmm", "mv", "dot", "vdot", "matmul", "_int_mm")
def _plain_product(run: Reading, step: Step) -> Result:
    first, second = step.refs()[:2]
    return _product(run, first, second, shape_of(step))


@rule("addmm", "baddbmm", "addmv", "_addmm_activation")
def _added_product(run: Reading, step: Step) -> Result:
    added, first, second = step.refs()[:3]
    shape = shape_of(step)
    places = [run.place(added), _product(run, first, second, shape)]
    place = joined(run.canvas, places, shape)
    return None if place is None else broadcast(place, shape)


@rule("linear", "mkldnn_linear", "_mkldnn_linear_pointwise")
def _linear(run: Reading, step: Step) -> Result:
    ref, weight = step.refs()[:2]
    place = run.place(ref)
    if run.place(weight) is not None:
        raise LostError("the weight of a linear layer depends on the input")
    if place is None:
        return None
    place = mixed(run.canvas, place, [len(ref.shape) - 1], keep=False)
    return broadcast(place, shape_of(step))


@rule(
    *"""_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention
    _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention
    _scaled_dot_product_attention_math scaled_dot_product_attention""".split()
)
def _attention(run: Reading, step: Step) -> Result:
    given = step.arguments
    if given.get("is_causal"):
        raise LostError("causal attention")
    query, key, value = (given[name] for name in ("query", "key", "value"))
    shape = shape_of(step)
    rank = len(shape)
    places = []
    for ref, dims in ((query, [rank - 1]), (key, [rank - 2, rank - 1]), (value, [rank - 2])):
        place = run.place(ref)
        if place is not None:
            places.append(mixed(run.canvas, place, dims, keep=False))
    place = joined(run.canvas, [_same_batch(p, shape) for p in places], shape)
    others = (None,) * (len(step.outputs) - 1)
    return (None if place is None else broadcast(place, shape)), *others


def _same_batch(place: Place, shape: tuple[int, ...]) -> Place:
    """Let grouped queries share keys: heads that divide."""
    have = place.shape[:-2]
    want = shape[:-2]
    if any(a not in (1, b) for a, b in zip(have, want, strict=True)):
        raise LostError("grouped-query attention")
    return place


@rule("_transformer_encoder_layer_fwd", "_native_multi_head_attention")
def _encoder(run: Reading, step: Step) -> Result:
    ref = step.refs()[0]
    place = run.place(ref)
    if place is None:
        return None
    rank = len(ref.shape)
    seen = mixed(run.canvas, place, [rank - 2, rank - 1])
    return joined(run.canvas, [mixed(run.canvas, place, [rank - 1]), seen], ref.shape)


@rule("_fft_r2c", "_fft_c2c", "_fft_c2r")
def _transform(run: Reading, step: Step) -> Result:
    ref = step.refs()[0]
    place = run.place(ref)
    if place is None:
        return None
    dims = dims_of(step.arguments["dim"], len(ref.shape))
    place = mixed(run.canvas, place, dims, keep=False)
    return broadcast(place, shape_of(step))


@rule("mkldnn_rnn_layer", "lstm", "gru", "rnn_tanh", "rnn_relu", "_cudnn_rnn")
def _recurrent(run: Reading, step: Step) -> Result:
    ref = step.arguments["input"]
    first = 1 if step.name == "lstm" and step.arguments.get("batch_first") else 0
    if step.name != "mkldnn_rnn_layer":
        raise LostError(f"{step.name} runs several directions in one operator")
    back = bool(step.arguments["reverse"])
    place = run.along(ref, first, running(reverse=back))
    if place is None:
        return None
    place = mixed(run.canvas, place, [2], keep=False)
    last = mixed(run.canvas, place, [first], keep=False)
    shape = shape_of(step)
    state = dropped(last, [first])
    others = [None if o is None else broadcast(state, o.shape) if len(o.shape) == 2 else None  # noqa: PLR2004, (batch, features)
              for o in step.outputs[1:]]  # fmt: skip
    return broadcast(place, shape), *others
