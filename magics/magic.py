"""`%convprofile`: parse the line, call `magics.profile`, display. Nothing else."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, needs_local_scope, no_var_expand
from IPython.display import display

from magics import profile
from magics.arguments import Parser, parser, unquoted
from magics.errors import ConvProfileError, InputError
from magics.expressions import evaluate, expressions, words
from magics.session import Interrupted

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from magics.records import Profile

_EXAMPLES = """\
examples:
  %convprofile net 8x3x224x224
  %convprofile make_net(width=2) images[:8] --mode eval -o before
  profile = %convprofile -r net x mask=m --budget 10
"""


def _line_parser() -> Parser:
    made = parser(
        "%convprofile",
        "Show what each layer of a PyTorch model costs on an input.",
        _EXAMPLES,
    )
    add = made.add_argument
    add(
        "-r",
        "--return",
        dest="returned",
        action="store_true",
        default=False,
        help="return the profile instead of showing it",
    )
    add(
        "-o",
        "--output",
        metavar="NAME",
        type=unquoted,
        default=None,
        help="store the profile under this name",
    )
    add("-q", "--quiet", action="store_true", default=False, help="show nothing")
    add("what", metavar="MODEL INPUT", nargs="*", default=(),
        help="expressions; an INPUT may be a shape such as 8x3x224x224, "
        "or NAME=EXPRESSION")  # fmt: skip
    return made


_PARSER = _line_parser()


@magics_class
class ConvProfileMagics(Magics):
    """The magic."""

    shell: InteractiveShell

    @no_var_expand
    @needs_local_scope
    @line_magic
    def convprofile(self, line: str, local_ns: dict[str, Any] | None = None) -> Profile | None:
        """Show what each layer of a model costs on an input."""
        names = {**self.shell.user_ns, **(local_ns or {})}
        try:
            if _asks_for_help(line):
                print(_PARSER.format_help())  # noqa: T201, what was asked for
                return None
            options, texts = _read(line)
            quiet, name, returned = (options.pop(key) for key in ("quiet", "output", "returned"))
            model, *inputs = (evaluate(text, names) for text in texts)
            named = {key: evaluate(text, names) for key, text in options.pop("kwargs").items()}
            result = profile(model, *inputs, kwargs=named, **options)
        except ConvProfileError as error:
            raise UsageError(f"%convprofile: {error}") from error
        except Interrupted as interruption:
            result = interruption.partial
        if name:
            self.shell.user_ns[name] = result
        if returned:
            return result
        if not quiet:
            display(result)
        return None

    convprofile.__doc__ = _PARSER.format_help()


def _asks_for_help(line: str) -> bool:
    return not {"-h", "--help"}.isdisjoint(line.split())


def _read(line: str) -> tuple[dict[str, Any], list[str]]:
    """Split a line into options and expressions; a final semicolon means quiet.

    Raises:
        InputError: If an option is unknown or malformed, or no model is given.
    """
    silent = line.rstrip().endswith(";")
    found = words(line.rstrip().removesuffix(";"))
    _PARSER.options_known(found)
    # Intermixed: options may stand before, between and after the expressions.
    options = vars(_PARSER.parse_intermixed_args(found))
    texts = expressions(options.pop("what"))
    named = {text: text.partition("=") for text in texts if _is_named(text)}
    options["kwargs"] = {name: value for name, _, value in named.values()}
    options["quiet"] |= silent
    output = options["output"]
    if output is not None and (not output.isidentifier() or keyword.iskeyword(output)):
        raise InputError(f"-o: not a name (got {output!r}); choose one such as 'result'")
    positional = [text for text in texts if text not in named]
    if not positional:
        raise InputError("no model given; write %convprofile MODEL INPUT")
    return options, positional


def _is_named(text: str) -> bool:
    """Return whether a word is a keyword argument: 'mask=m', but not 'x==y'."""
    name, equals, value = text.partition("=")
    return bool(equals) and name.isidentifier() and not value.startswith("=")


def register(shell: InteractiveShell) -> None:
    """Make the magic known to a shell."""
    shell.register_magics(ConvProfileMagics)


def unregister(shell: InteractiveShell) -> None:
    """Take the magic from a shell."""
    shell.magics_manager.magics["line"].pop("convprofile", None)
    shell.magics_manager.registry.pop("ConvProfileMagics", None)
