"""The words of the command line, the same for the magic and for ``python -m magics``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

from magics.errors import InputError
from magics.hints import nearest
from magics.options import DTYPES, LAYOUTS, MODES

if TYPE_CHECKING:
    from collections.abc import Iterable


class Parser(argparse.ArgumentParser):
    """Raises instead of ending the process, and suggests the near option."""

    @property
    def usage_hint(self) -> str:
        """Where to read more."""
        return f"see {self.prog}{'?' if self.prog.startswith('%') else ' --help'}"

    @property
    def options(self) -> dict[str, argparse.Action]:
        """Every option as it is written, and what it does."""
        return self._option_string_actions

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{message}; {self.usage_hint}")

    def options_known(self, words: Iterable[str]) -> None:
        """Complain about a mistyped option by itself, with the near one.

        Raises:
            InputError: If a word looks like an option and is none.
        """
        known = self.options
        for word in words:
            option = word.partition("=")[0]
            if not option.startswith("-") or _is_number(option) or option in known:
                continue
            grouped = not option.startswith("--") and option[:2] in known  # -oNAME, -rq
            if len(option) > 1 and not grouped:
                raise InputError(f"{option}: no such option; {_hint(option, known)}")


def _hint(option: str, known: Iterable[str]) -> str:
    """Return what to write instead of an unknown option; hyphens alone make none alike."""
    bare = option.lstrip("-")
    if bare in _OTHERWISE:
        return _OTHERWISE[bare]
    options = {name.lstrip("-"): name for name in sorted(known)}
    close = nearest(bare, options)
    if close is not None:
        return f"did you mean {options[close]}?"
    return f"choose from {', '.join(options.values())}"


_OTHERWISE = {
    "kwargs": "write the model's arguments as they are: NAME=EXPRESSION",
    "measure": "times are measured unless there is a --no-measure",
    "advice": "did you mean --advise?",  # --device has as many letters in common
}
"""What to write instead of options that people expect and that there are not."""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def parser(prog: str, description: str, epilog: str = "") -> Parser:
    """Return a parser of the options that every profile has.

    What is not given is left out of the result: the defaults are those of `Options`.
    """
    made = Parser(
        prog=prog,
        description=description,
        epilog=epilog,
        add_help=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add(
        "--mode",
        metavar="MODE",
        type=unquoted,
        help=f"{either(MODES)}; as_is, the default, leaves every module in its own",
    )
    add("--backward", action="store_true", help="measure the backward pass too")
    add("--no-measure", dest="measure", action="store_false", help="count only, no times")
    add("--device", type=unquoted, help="run on this device, such as cuda or meta")
    add("--dtype", type=unquoted, help=f"run in this element type: {either(DTYPES)}")
    add("--layout", type=unquoted, help=f"memory layout of weights and input: {either(LAYOUTS)}")
    add("--threads", type=_counts, metavar="N", help="threads for torch")
    add("--batch", type=int, metavar="N", help="batch size of inputs given as shapes")
    add(
        "--budget",
        type=float,
        metavar="S",
        help="seconds to measure times at most (default: some eleven runs, 1 to 10 s)",
    )
    switch = argparse.BooleanOptionalAction
    add("--receptive-field", action=switch, help="follow every layer's receptive field")
    add("--memory", action=switch, help="follow the memory of every layer")
    add("--roofline", action=switch,
        help="measure the machine's ceilings and say what bounds each layer")  # fmt: skip
    add("--fresh-ceilings", action="store_true", help="measure known ceilings again")
    add("--kernels", action="store_true", help="name the kernels that ran for each layer")
    return made


def either(words: Iterable[str]) -> str:
    """Return words as a choice: 'a, b or c'."""
    *first, last = words
    return f"{', '.join(first)} or {last}"


def _counts(text: str) -> int | tuple[int, ...]:
    """Return a whole number; several between commas, where models are compared."""
    numbers = tuple(int(part) for part in text.split(","))
    return numbers if len(numbers) > 1 else numbers[0]


_counts.__name__ = "int"  # what argparse calls it in a message


def unquoted(text: str) -> str:
    """Take the quotes from a word: in a notebook, ``--dtype "bfloat16"`` comes with them."""
    quotes = text[:1] in {"'", '"'} and text[0] == text[-1:] and len(text) > 1
    return text[1:-1] if quotes else text
