"""What operators mean for places: the registry, and the rules of arithmetic.

A rule gets the reading, for places of arguments, and the step; it returns the place of the
output, or one for each. `None` is a constant. A rule that can't tell raises `LostError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magics.measurement.fields.combining import broadcast, joined
from magics.measurement.fields.layout import digits, free
from magics.measurement.fields.mixing import mixed
from magics.measurement.fields.places import Place, dropped, inserted, relabelled, viewed, without
from magics.theory.axis_maps import WHOLE, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magics.measurement.fields.reading import Reading
    from magics.measurement.fields.tape import Ref, Step

Result = Place | None | tuple[Place | None, ...]
Rule = "Callable[[Reading, Step], Result]"

RULES: dict[str, Any] = {}
"""By the operators' names without namespace, overload and in-place mark."""

COUPLES_THE_BATCH = (
    "Batch norm in training mode makes every output depend on the whole batch; "
    "receptive fields are those of eval mode."
)


def rule(*names: str) -> Callable[[Any], Any]:
    """Register a rule under the names of its operators."""

    def register(function: Any) -> Any:  # noqa: ANN401, a rule
        for name in names:
            RULES[name] = function
        return function

    return register


CONSTANTS = frozenset(
    """empty_like zeros_like ones_like full_like rand_like randn_like randint_like new_empty
    new_zeros new_ones new_full new_empty_strided empty_strided zero normal uniform random
    exponential cauchy log_normal geometric sym_size sym_numel sym_stride sym_storage_offset
    is_same_size""".split(),
)
"""Operators whose output takes at most the shape of an input."""

POINTWISE = frozenset(
    """copy clone _to_copy hardswish prelu _prelu_kernel bernoulli rsub __and__ __or__ __xor__
    floor_divide _conj resolve_conj resolve_neg tril triu bucketize contiguous lift_fresh lift
    quantize_per_tensor dequantize isnan nan_to_num celu relu6 __lshift__ __rshift__
    __ilshift__ __iand__ __ior__ relu hardtanh add mul sub div""".split(),
)
"""Elementwise operators that torch doesn't tag as such."""


def pointwise(run: Reading, step: Step) -> Result:
    """Return the place of an elementwise operator's output."""
    shape = shape_of(step)
    operands: Iterable[Ref] = step.refs()
    if step.name == "copy":
        operands = [step.arguments["src"]]
    elif step.name in {"fill", "tril", "triu", "bucketize"}:
        operands = list(operands)[-1:] if step.name == "fill" else list(operands)[:1]
    place = joined(run.canvas, [run.place(ref) for ref in operands], shape)
    return None if place is None else broadcast(place, shape)


@rule("native_dropout", "log_sigmoid_forward", "alpha_dropout")
def _first_operand(run: Reading, step: Step) -> Result:
    return run.place(step.refs()[0]), None


@rule("rrelu_with_noise")
def _without_noise(run: Reading, step: Step) -> Result:
    return run.place(step.refs()[0])


@rule("glu")
def _gated(run: Reading, step: Step) -> Result:
    dim = step.arguments.get("dim", -1) % len(step.arguments["self"].shape)
    halves = [run.sliced(step.arguments["self"], dim, part, 2) for part in range(2)]
    return joined(run.canvas, halves, shape_of(step))


def shape_of(step: Step) -> tuple[int, ...]:
    """Return the shape of what came out first."""
    output = step.outputs[0]
    return () if output is None else output.shape


def dims_of(value: object, rank: int) -> list[int]:
    """Return dimensions as a list of non-negative numbers; all where none are given."""
    if value is None or value == ():
        return list(range(rank))
    given = (value,) if isinstance(value, int) else value
    return sorted({int(dim) % max(rank, 1) for dim in given})  # type: ignore[attr-defined]  # a tuple


@rule(
    *"""sum mean nansum prod max min amax amin argmax argmin any all aminmax count_nonzero norm
    linalg_vector_norm var std var_mean std_mean logsumexp median nanmedian mode""".split()
)
def _reduction(run: Reading, step: Step) -> Result:
    given = step.arguments
    ref = step.refs()[0]
    if step.name in {"max", "min"} and "other" in given:
        return pointwise(run, step)
    place = run.place(ref)
    if place is None:
        return None
    dims = dims_of(given.get("dim"), len(ref.shape))
    flat = [dim for dim in dims if not place.layout[dim]]
    place = mixed(run.canvas, place, dims, keep=False)
    place = _pooled(run, place, flat)
    if not given.get("keepdim", False):
        place = dropped(place, dims)
    return tuple(place if o is not None else None for o in step.outputs)


def _pooled(run: Reading, place: Place, flat: list[int]) -> Place:
    """Remember that axes of size 1 were pooled: the field is the input, whatever its size."""
    canvas = run.canvas
    first = len(place.layout) - canvas.axes
    some = (place.nodes() + place.loose())[0]
    gone = [
        dim - first
        for dim in flat
        if dim >= first > 0
        and not digits(place.layout, dim - first)
        and canvas.size(some)[dim - first] == 1
    ]
    maps = dict.fromkeys(gone, WHOLE)
    return relabelled(place, lambda node: canvas.apply(node, maps, {}), place.layout)


@rule("_softmax", "_log_softmax", "_safe_softmax", "softmax", "log_softmax", "sort", "topk")
def _along_one(run: Reading, step: Step) -> Result:
    ref = step.refs()[0]
    place = run.place(ref)
    if place is None:
        return None
    dims = dims_of(step.arguments.get("dim", -1), len(ref.shape)) if ref.shape else []
    place = mixed(run.canvas, place, dims)
    shape = shape_of(step)
    if shape != place.shape:  # topk takes some
        place = inserted(without(mixed(run.canvas, place, dims, keep=False), dims[0]), dims[0],
                         free(shape[dims[0]]))  # fmt: skip
    return (place,) * len(step.outputs)


@rule("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin")
def _running(run: Reading, step: Step) -> Result:
    ref = step.refs()[0]
    dim = step.arguments["dim"] % max(len(ref.shape), 1)
    place = run.along(ref, dim, running())
    return (place,) * len(step.outputs)


@rule("native_layer_norm", "_fused_rms_norm", "rms_norm")
def _layer_norm(run: Reading, step: Step) -> Result:
    ref = step.arguments["input"]
    place = run.place(ref)
    if place is None:
        return None
    rank = len(ref.shape)
    count = len(step.arguments["normalized_shape"])
    mixed_place = mixed(run.canvas, place, range(rank - count, rank))
    return mixed_place, *(None,) * (len(step.outputs) - 1)


@rule("native_group_norm")
def _group_norm(run: Reading, step: Step) -> Result:
    ref = step.arguments["input"]
    place = run.place(ref)
    if place is None:
        return None
    batch, channels, *rest = ref.shape
    groups = step.arguments["group"]
    apart = viewed(place, (batch, groups, channels // groups, *rest))
    apart = mixed(run.canvas, apart, range(2, 3 + len(rest)))
    return viewed(apart, ref.shape), None, None


@rule(
    *"""native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training
    _batch_norm_with_update _batch_norm_no_update cudnn_batch_norm miopen_batch_norm
    _native_batch_norm_legit_functional _batch_norm_with_update_functional batch_norm""".split()
)
def _batch_norm(run: Reading, step: Step) -> Result:
    given = step.arguments
    place = run.place(given["input"])
    if place is None:
        return None
    others = (None,) * (len(step.outputs) - 1)
    training = given.get("training", step.name.startswith("_batch_norm_with_update"))
    if not training or step.name.endswith("no_training"):
        return place, *others
    if given.get("running_mean") is None:
        # Statistics of the input in eval mode too: instance norm, for one.
        rank = len(given["input"].shape)
        return mixed(run.canvas, place, (d for d in range(rank) if d != 1)), *others
    canvas = run.canvas
    noted = relabelled(
        place, lambda node: canvas.apply(node, {}, {}, COUPLES_THE_BATCH), place.layout
    )
    return noted, *others


@rule("embedding")
def _embedding(run: Reading, step: Step) -> Result:
    ref = step.arguments["indices"]
    place = run.place(ref)
    if place is None or run.place(step.arguments["weight"]) is not None:
        return None if place is None else run.lost("a table that depends on the input")
    return inserted(place, len(ref.shape), free(shape_of(step)[-1]))


def mixed_to_scalar(run: Reading, ref: Ref) -> Place | None:
    """Return what all elements of a tensor see together, as a tensor without dimensions."""
    place = run.place(ref)
    if place is None:
        return None
    dims = list(range(len(ref.shape)))
    return dropped(mixed(run.canvas, place, dims, keep=False), dims)
