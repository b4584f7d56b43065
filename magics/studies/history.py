"""The same model last week and today: what became worse, beyond noise and beyond what is allowed.

Saved profiles are compared as they are; nothing is run.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from magics import units
from magics.arguments import Parser
from magics.errors import InputError
from magics.records import View
from magics.studies.compare import compare, compared

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magics.records import Comparison, Profile, Ratios

_COUNTS = {"macs": "MACs", "bytes_moved": "bytes moved", "params": "parameters"}
_EXAMPLES = """\
examples:
  python -m magics compare last_week.json today.json
  python -m magics compare main.json branch.json --fail-over 5%
"""


def command(words: Sequence[str]) -> tuple[str, int]:
    """Do what stands behind ``python -m magics compare``.

    Returns:
        What to print, and the exit status: 1 for a regression over what is allowed, else 0.

    Raises:
        ConvProfileError: If an argument is wrong, or a file is no saved profile.
    """
    known = _parser()
    known.options_known(words)
    given = vars(known.parse_intermixed_args(list(words)))
    if given["help"]:
        return known.format_help(), 0
    files: list[str] = given["files"]
    if len(files) < 2:  # noqa: PLR2004, one can't be compared
        raise InputError(
            f"FILE: two saved profiles at least (got {len(files)}); see {known.prog} --help",
        )
    allowed = _share(given["fail_over"]) if given["fail_over"] is not None else inf
    found = compare(*map(Path, files))
    worse = list(regressions(found, 0.0 if allowed == inf else allowed))
    over = "" if allowed == inf else f" of more than {units.percent(allowed)}"
    told = [f"Regression: {text}" for text in worse] or [f"No regression{over} beyond noise."]
    return "\n".join([str(found), "", *told]), int(bool(worse) and allowed < inf)


def _parser() -> Parser:
    made = Parser(
        prog="python -m magics compare",
        description="Compare saved profiles: the first is what the others are compared with.",
        epilog=_EXAMPLES,
        add_help=False,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("files", metavar="FILE", nargs="*", help="what to_json or --save wrote")
    made.add_argument(
        "--fail-over",
        metavar="PERCENT",
        help="exit with 1 where a later one takes surely longer, and by more than this: 5%%",
    )
    made.add_argument("-h", "--help", action="store_true", help="show this and end")
    return made


def _share(text: str) -> float:
    """Return the share that a percentage stands for: 0.05 for '5%' or '5'.

    Raises:
        InputError: If it is none.
    """
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share < inf:
        raise InputError(f"--fail-over: not a percentage (got {text!r}); write such as 5%")
    return share


def regressions(comparison: Comparison, allowed: float) -> Iterator[str]:
    """Yield what is worse than in the first profile, a line each.

    A time is worse where its interval says so; a layer's time, where it makes the whole slower
    by more than is allowed. Where there are no times, counts are compared: they have no noise.

    Args:
        comparison: The profiles, the oldest first.
        allowed: What is not worth mentioning, as a share of the whole [1].
    """
    first = comparison.profiles[0].total
    for place, ratios in enumerate(comparison.total, 1):
        name = comparison.names[place]
        if ratios.forward is None and ratios.backward is None:
            yield from (f"{name}: {text}" for text in _more(ratios, allowed))
    for claim in comparison.claims:
        whole = getattr(first, claim.what)
        if not claim.ratio.is_loss or whole is None:
            continue
        if claim.layer is None:
            beyond = 1 / claim.ratio.value - 1 > allowed
        else:
            beyond = claim.seconds > allowed * whole.median_s
        if beyond:
            where = f", {claim.layer}" if claim.layer else ""
            yield (
                f"{comparison.names[claim.place]}{where}: {claim.what} "
                f"{units.ratio(1 / claim.ratio.value, 2)} as long "
                f"({units.ratio(1 / claim.ratio.high, 2)} to "
                f"{units.ratio(1 / claim.ratio.low, 2)}), "
                f"{units.seconds(claim.seconds)} more"
            )


def _more(ratios: Ratios, allowed: float) -> Iterator[str]:
    for name, words in _COUNTS.items():
        ratio = getattr(ratios, name)
        if ratio is not None and 1 / ratio.value - 1 > allowed:
            yield f"{units.ratio(1 / ratio.value)} as many {words}"


def against(saved: Profile, found: Profile, name: str) -> Comparison:
    """Return a comparison of a profile with one that was saved before.

    Args:
        saved: The older one.
        found: The newer one.
        name: Where the older one was saved.
    """
    return compared(
        [f"{saved.model}, {name}", f"{found.model}, now"], [saved, found], interleaved=False
    )


def viewed(comparison: Comparison, view: View) -> Comparison:
    """Return a comparison of views: fewer rows, or rows summed up, of every profile.

    Raises:
        InputError: If there is no such view of one of them.
    """
    if view == View():
        return comparison
    profiles = [view.of(profile) for profile in comparison.profiles]
    found = compared(comparison.names, profiles, interleaved=comparison.interleaved)
    return replace(found, warnings=comparison.warnings, digits=view.digits)
