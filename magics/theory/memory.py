"""Memory by arithmetic: the optimizer's state, and the peak at a batch size not yet run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.records import Profile

_ADAM_MOMENTS = 2
_ADAM_STEP_BYTES = 4


def momentum_state_bytes(parameters: Sequence[int]) -> int:
    """Return the state of SGD with momentum: one velocity per parameter [bytes].

    Args:
        parameters: Size of each trained parameter tensor [bytes].

    Source: torch.optim.SGD, `momentum_buffer`.
    """
    return sum(parameters)


def adam_state_bytes(parameters: Sequence[int]) -> int:
    """Return the state of Adam or AdamW: two moments per parameter and a count of steps [bytes].

    Args:
        parameters: Size of each trained parameter tensor [bytes].

    Source: torch.optim.Adam, `exp_avg`, `exp_avg_sq`, and `step`, one float32 per tensor.
    """
    return sum(_ADAM_MOMENTS * size + _ADAM_STEP_BYTES for size in parameters)


def predicted_peak(
    first: tuple[int, Sequence[float]], second: tuple[int, Sequence[float]], batch: int
) -> float:
    """Predict the peak memory at another batch size from two that were run [bytes].

    What is alive at one place in the model is linear in the batch size: some tensors hold one
    part per sample, the others don't depend on it. The peak is the largest of these lines, and
    which one that is can change with the batch size: so each place is extrapolated by itself.

    Args:
        first: A batch size, and the peak at each of some places, in order [bytes].
        second: Another batch size, and the peaks at the same places.
        batch: The batch size asked for.

    Raises:
        ValueError: If the batch sizes are the same, or the places don't correspond.
    """
    (low, before), (high, after) = first, second
    if low == high or len(before) != len(after) or not before:
        raise ValueError(
            f"predicted_peak: needs two batch sizes and the same places at both (got {low} "
            f"and {high}, {len(before)} and {len(after)} places); run another batch size",
        )
    share = (batch - low) / (high - low)
    return max(
        start + share * (end - start) for start, end in zip(before, after, strict=True)
    )  # fmt: skip


def peaks_of(profile: Profile) -> tuple[int, ...]:
    """Return the peak at each place of a profile that followed memory, for `predicted_peak`.

    Places are its rows and, last, the run as a whole, a backward included [bytes].

    Raises:
        ValueError: If the profile did not follow memory.
    """
    whole = profile.memory.get("training_peak", profile.memory.get("inference_peak"))
    if whole is None:
        raise ValueError("peaks_of: the profile has no peaks; profile with memory=True")
    return (*(row.peak_bytes or 0 for row in profile.rows), whole)
