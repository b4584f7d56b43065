"""What batch norm and plain elementwise layers cost: passes over a map, no MACs."""

from __future__ import annotations

from math import prod

from magics.theory.formulas import Cost, Layer, UnknownKindError, register_formula

_EVAL_FLOPS = 2  # one multiplication, one addition, scale and shift folded per channel
_TRAIN_FLOPS = 6  # sum 1; centre, square and add 3; scale and shift 2
_TRAIN_BACKWARD_FLOPS = 9  # sum of dy 1; centre, dy * x, add 3; centre, scale, subtract 2, scale
_EVAL_BACKWARD_FLOPS = 1  # dy * scale
_PARAMETER_GRAD_FLOPS = 4  # sum of dy 1; centre, dy * x, add 3


@register_formula("batch_norm", "sync_batch_norm")
def batch_norm_cost(layer: Layer) -> Cost:
    """Return the forward cost of a batch norm.

    With running statistics (eval) 2 operations per element in one pass. With the batch's
    own statistics (`Layer.training`) 6 operations per element; the input is read a second
    time (`Cost.repeat_bytes`) unless a cache holds it, and the running statistics and the
    saved mean and inverse deviation are written. SyncBatchNorm adds communication between
    processes, which is not counted.

    Source: torch.nn.BatchNorm2d; Ioffe and Szegedy, arXiv:1502.03167, algorithm 1.
    """
    elements, channels = layer.input_elements, layer.in_channels
    running = 2 * channels if layer.running_stats else 0
    read = elements + (2 * channels if layer.affine else 0) + running
    written = elements
    if layer.training:
        written += running + 2 * channels
    return Cost(
        elementwise_flops=elements * (_TRAIN_FLOPS if layer.training else _EVAL_FLOPS),
        bytes_read=layer.itemsize * read,
        bytes_written=layer.itemsize * written,
        repeat_bytes=layer.itemsize * elements if layer.training else 0,
    )


@register_formula("batch_norm", "sync_batch_norm", backward=True)
def batch_norm_backward_cost(layer: Layer) -> Cost:
    """Return the backward cost of a batch norm.

    With batch statistics two passes over the output's gradient and the input (the second in
    `Cost.repeat_bytes`) and one write: 9 operations per element, the parameters' gradients
    among them. With running statistics the input's gradient is one product per element; the
    parameters' gradients take 4 more and need the input.

    Source: Ioffe and Szegedy, arXiv:1502.03167, section 3 (the chain rule through the mean
    and the variance).
    """
    elements, channels = layer.input_elements, layer.in_channels
    parameter_grads = layer.affine and layer.needs_weight_grad
    if not (layer.needs_input_grad or parameter_grads):
        return Cost()
    weights = 2 * channels if parameter_grads else 0
    written = (elements if layer.needs_input_grad else 0) + weights
    statistics = channels * (3 if layer.affine else 2)  # mean, inverse deviation, weight
    two_passes = layer.training and layer.needs_input_grad
    flops = 0
    if two_passes:
        flops = _TRAIN_BACKWARD_FLOPS
    else:
        flops += _EVAL_BACKWARD_FLOPS if layer.needs_input_grad else 0
        flops += _PARAMETER_GRAD_FLOPS if parameter_grads else 0
    reads = 2 if two_passes or parameter_grads else 1
    return Cost(
        elementwise_flops=flops * elements,
        bytes_read=layer.itemsize * (reads * elements + statistics),
        bytes_written=layer.itemsize * written,
        repeat_bytes=layer.itemsize * 2 * elements if two_passes else 0,
    )


@register_formula("other")
def elementwise_cost(layer: Layer) -> Cost:
    """Return the forward cost of an elementwise layer whose operations are known.

    Source: `Layer.flops_per_output`, given by the caller (1 for ReLU or an addition).

    Raises:
        UnknownKindError: If `Layer.flops_per_output` is `None`.
    """
    return _elementwise(layer, "forward")


@register_formula("other", backward=True)
def elementwise_backward_cost(layer: Layer) -> Cost:
    """Return the backward cost of an elementwise layer: as many operations as forward.

    Source: see `elementwise_backward`.

    Raises:
        UnknownKindError: If `Layer.flops_per_output` is `None`.
    """
    if not layer.needs_input_grad:
        return Cost()
    return elementwise_backward(_elementwise(layer, "backward"))


def elementwise_backward(forward: Cost) -> Cost:
    """Return the backward cost of elementwise work, given that of its forward.

    As many operations; the output's gradient and the saved operands are read, the gradient of
    each operand is written.

    Source: each operand's local derivative times the output's gradient; a lower bound for
    functions with a costly derivative.
    """
    return Cost(
        elementwise_flops=forward.elementwise_flops,
        bytes_read=forward.bytes_moved,
        bytes_written=forward.bytes_read,
    )


def _elementwise(layer: Layer, direction: str) -> Cost:
    if layer.flops_per_output is None:
        raise UnknownKindError(layer.kind, direction)
    operands = layer.input_elements + (prod(layer.other_shape) if layer.other_shape else 0)
    return Cost(
        elementwise_flops=layer.flops_per_output * layer.output_elements,
        bytes_read=layer.itemsize * operands,
        bytes_written=layer.itemsize * layer.output_elements,
    )
