"""Compare models, one model in several modes, or saved profiles."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from magics.errors import ConvProfileError, ForwardError, InputError
from magics.hints import short
from magics.measurement.models.modules import Target, target
from magics.measurement.timing.stopwatch import Stopwatch, together
from magics.measurement.turns import Turn
from magics.progress import part, piece
from magics.records import Comparison, Profile
from magics.records.comparison import LETTERS
from magics.session import Interrupted, ended, profiling
from magics.studies.comparing import doubts
from magics.studies.comparing.matching import matched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.session import Profiling

_LISTED = frozenset({"mode", "device", "dtype", "layout", "threads"})
"""Options that may have several values, one for each profile."""

_REWRITTEN = frozenset({"device", "dtype", "layout"})
"""Of these, those that give the model other tensors."""

_READ, _TIMED = 0.05, 0.85
"""Shares of the work that are done when the models have been read, and when they are timed."""


@dataclass(slots=True)
class _Entrant:
    """One of those that are compared.

    Attributes:
        what: A model, or a saved profile.
        options: Options of its own.
        aim: The model, if it is one.
        file: Where it is saved, if it is.
    """

    what: object
    options: dict[str, Any]
    aim: Target | None = None
    file: str = ""

    @property
    def name(self) -> str:
        """What it is, in words."""
        title = self.aim.title if self.aim else cast("Profile", self.what).model
        options = (f"{name} {value}" for name, value in self.options.items())
        return ", ".join(filter(None, [title, *options, self.file]))


def compare(*models_and_inputs: object, **options: Any) -> Comparison:  # noqa: ANN401, options and model inputs alike
    """Compare models on an input: what each costs, and how many times as much as the others.

    The models are measured in turns, round by round, and left exactly as they were found. One
    model is compared with itself where an option has several values, such as
    ``mode=("eval", "train")``; those options are mode, device, dtype, layout and threads.

    Args:
        *models_and_inputs: Models, saved profiles (or the paths of their files), or some of
            each; then, as for `magics.profile`, what to call the models with.
        **options: Options and keyword arguments as for `magics.profile`; a budget is for each.

    Returns:
        The record of the comparison. The first one is what the others are compared with.

    Raises:
        ConvProfileError: If a model, an input or an option is wrong, or a model raises.
        Interrupted: On Ctrl-C while measuring; a KeyboardInterrupt.
    """
    models, inputs = _divided(models_and_inputs)
    entrants = _entrants(models, options)
    live = [entrant for entrant in entrants if entrant.aim]
    if not live and (inputs or options):
        extra = short(inputs[0]) if inputs else f"{next(iter(options))}=..."
        raise InputError(
            f"compare: saved profiles are not run again (got {extra} as well); "
            f"give saved profiles alone",
        )
    measured, interrupted = _measured(entrants, inputs, options) if live else ({}, False)
    profiles = [
        measured[place] if entrant.aim else cast("Profile", entrant.what)
        for place, entrant in enumerate(entrants)
    ]
    found = compared([entrant.name for entrant in entrants], profiles,
                     interleaved=len(live) == len(entrants))  # fmt: skip
    if interrupted:
        raise Interrupted(found)
    return found


def compared(names: Sequence[str], profiles: Sequence[Profile], *, interleaved: bool) -> Comparison:
    """Return the record of a comparison of profiles.

    Args:
        names: What each one is.
        profiles: The profiles, that which the others are compared with first.
        interleaved: They were measured in turns.
    """
    return Comparison(
        names=tuple(names),
        profiles=tuple(profiles),
        matches=matched(profiles),
        interleaved=interleaved,
        warnings=tuple(doubts.about(profiles, interleaved=interleaved)),
    )


def saved_profile(place: str | PathLike[str]) -> Profile:
    """Return the profile in a file.

    Raises:
        InputError: If the file can't be read.
        RecordError: If there is no profile in it.
    """
    try:
        return Profile.from_json(Path(place))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise InputError(
            f"{place}: can't be read ({reason}); give a file that to_json or --save wrote",
        ) from error
    except ConvProfileError as error:
        raise type(error)(f"{place}: {error}") from error


def _divided(given: tuple[object, ...]) -> tuple[list[object], tuple[object, ...]]:
    """Divide arguments into models, which come first, and their inputs."""
    count = next((place for place, value in enumerate(given) if not _is_model(value)), len(given))
    return list(given[:count]), given[count:]


def _is_model(value: object) -> bool:
    in_a_file = isinstance(value, str) and value.endswith(".json")
    return in_a_file or callable(value) or isinstance(value, Profile | PathLike)


def _entrants(models: list[object], options: dict[str, Any]) -> list[_Entrant]:
    """Say what is to be compared; options with several values are taken from `options`.

    Raises:
        InputError: If there are not two, or the options don't go with the models.
    """
    lists = {name: _values(name, options[name]) for name in _LISTED & options.keys()}
    lists = {name: values for name, values in lists.items() if len(values) > 1}
    for name in lists:
        del options[name]
    sizes = {len(values) for values in lists.values()}
    count = max(sizes, default=len(models))
    if len(sizes) > 1 or (lists and len(models) not in {1, count}):
        told = ", ".join(f"{len(values)} of {name}" for name, values in lists.items())
        raise InputError(
            f"compare: as many values as models, or one model (got {len(models)} and {told}); "
            f"give each model one value",
        )
    if count < 2:  # noqa: PLR2004, one can't be compared
        raise InputError(
            f"compare: two models at least (got {len(models)}); give another model, or one option "
            f"two values, such as mode=('eval', 'train')",
        )
    if count > len(LETTERS):
        raise InputError(f"compare: {len(LETTERS)} at most (got {count}); give fewer at a time")
    entrants = [
        _entrant(model, {name: values[place] for name, values in lists.items()})
        for place, model in enumerate(models * (count if len(models) == 1 else 1))
    ]
    for entrant in entrants:
        if not isinstance(entrant.what, Profile):
            entrant.aim = target(entrant.what)
        elif entrant.options:
            raise InputError(
                f"{next(iter(lists))}: a saved profile has no other modes "
                f"(got {entrant.what.model}); give the model itself",
            )
    return entrants


def _values(name: str, value: object) -> list[object]:
    """Return the values of an option: one, or those between commas."""
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str) and "," in value:
        parts = [part.strip() for part in value.split(",")]
        return [int(part) if name == "threads" and part.isdigit() else part for part in parts]
    return [value]


def _entrant(what: object, options: dict[str, Any]) -> _Entrant:
    if isinstance(what, str | PathLike):
        return _Entrant(saved_profile(what), options, file=Path(what).name)
    return _Entrant(what, options)


def _measured(
    entrants: Sequence[_Entrant], inputs: tuple[object, ...], options: dict[str, Any]
) -> tuple[dict[int, Profile], bool]:
    """Profile the models in turns.

    Returns:
        The profile of each that is a model, by its place; and whether Ctrl-C came.
    """
    live = {place: entrant for place, entrant in enumerate(entrants) if entrant.aim}
    shared = _shared(list(live.values()))
    found: dict[int, Profile] = {}
    interrupted = False
    with ExitStack() as stack:
        under_way: list[tuple[int, Turn, Profiling, Stopwatch | None]] = []
        for place, entrant in live.items():
            aim = cast("Target", entrant.aim)
            turn = Turn([module for module in aim.modules.values() if id(module) in shared])
            steps = profiling(aim, entrant.what, inputs, options | entrant.options)
            stack.callback(_closed, turn, steps)
            first = next(iter(live)) == place
            with piece(len(under_way), len(live), 0.0, _READ):
                watch = _prepared(turn, steps, place, entrant.name, first=first)
            under_way.append((place, turn, steps, watch))
        watches = [watch for *_, watch in under_way if watch is not None]
        if watches:
            with part(_READ, _TIMED):
                together(watches)
        # What was set up last is put back first.
        for place, turn, steps, _ in reversed(under_way):
            with turn(), piece(len(found), len(live), _TIMED, 1.0):
                try:
                    found[place] = ended(steps)
                except Interrupted as interruption:
                    found[place] = cast("Profile", interruption.partial)
                    interrupted = True
    return found, interrupted


def _closed(turn: Turn, steps: Profiling) -> None:
    with turn():
        steps.close()


def _prepared(
    turn: Turn, steps: Profiling, place: int, name: str, *, first: bool
) -> Stopwatch | None:
    """Let a profile count, and return what measures it.

    Raises:
        InputError: If the model doesn't take the input.
        ForwardError: If it raises.
    """
    with turn():
        try:
            watch = next(steps)
        except Interrupted:  # a part of one model compares with nothing
            raise KeyboardInterrupt from None
        except (InputError, ForwardError) as error:
            who = f"{LETTERS[place]} ({name})"
            if not first:
                who += " can't be profiled like the one before it"
            raise type(error)(f"{who}: {error}", layer=error.layer) from error
    if watch is not None:
        watch.turn = turn
    return watch


def _shared(entrants: Sequence[_Entrant]) -> set[int]:
    """Return the modules that several profiles work with, by their ids.

    Raises:
        InputError: If one of them can't have other tensors for a while.
    """
    seen: Counter[int] = Counter()
    modules: dict[int, torch.nn.Module] = {}
    for entrant in entrants:
        for module in cast("Target", entrant.aim).modules.values():
            modules[id(module)] = module
        seen.update({id(item) for item in cast("Target", entrant.aim).modules.values()})
    shared = {number for number, count in seen.items() if count > 1}
    rewritten = _REWRITTEN & {name for entrant in entrants for name in entrant.options}
    scripted = any(isinstance(modules[number], torch.jit.ScriptModule) for number in shared)
    if rewritten and scripted:
        raise InputError(
            f"{min(rewritten)}: a scripted model has one at a time (got {entrants[0].name}); "
            f"compare it with a copy.deepcopy of it",
        )
    return shared
