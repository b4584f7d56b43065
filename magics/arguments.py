"""The words of the command line, the same for the magic and for ``python -m magics``."""

from __future__ import annotations

import argparse
from typing import NoReturn

from magics.errors import InputError
from magics.options import DTYPES, LAYOUTS, MODES, near


class Parser(argparse.ArgumentParser):
    """Raises instead of ending the process, and suggests the near option."""

    @property
    def usage_hint(self) -> str:
        """Where to read more."""
        return f"see {self.prog}{'?' if self.prog.startswith('%') else ' --help'}"

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{message}; {self.usage_hint}")

    def options_known(self, words: list[str]) -> None:
        """Complain about a mistyped option by itself, with the near one.

        Raises:
            InputError: If a word looks like an option and is none.
        """
        known = [word for word in self._option_string_actions if word.startswith("--")]
        for word in words:
            option = word.partition("=")[0]
            if option.startswith("--") and option not in known:
                raise InputError(f"{option}: no such option; {near(option, known)}")


def parser(prog: str, description: str) -> Parser:
    """Return a parser of the options that every profile has."""
    made = Parser(prog=prog, description=description, add_help=False, allow_abbrev=False)
    add = made.add_argument
    add("--mode", choices=MODES, default="as_is", help="eval, train, or as the model is")
    add("--backward", action="store_true", help="measure the backward pass too")
    add("--no-measure", dest="measure", action="store_false", help="count only, no times")
    add("--device", help="run on this device, such as cuda or meta")
    add("--dtype", help=f"run in this element type: {', '.join(DTYPES)}")
    add("--layout", help=f"memory layout of weights and input: {', '.join(LAYOUTS)}")
    add("--threads", type=int, metavar="N", help="threads for torch")
    add("--batch", type=int, metavar="N", help="batch size of inputs given as shapes")
    add("--budget", type=float, default=2.0, metavar="S", help="seconds to measure at most")
    return made
