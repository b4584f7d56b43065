"""`%convprofile`: parse the line, call `magics.profile`, display. Nothing else."""

from __future__ import annotations

import ast
import shlex
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, needs_local_scope, no_var_expand
from IPython.display import display

from magics.arguments import parser
from magics.errors import ConvProfileError, InputError
from magics.measurement.inputs import parse_shape
from magics.options import near
from magics.session import Interrupted, profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from magics.records import Profile


def _line_parser() -> Any:  # noqa: ANN401, argparse's parser with our error
    made = parser("%convprofile", "Show what each layer of a model costs on an input.")
    add = made.add_argument
    add("-r", "--return", dest="returned", action="store_true", help="return the profile")
    add("-o", "--output", metavar="NAME", help="store the profile under this name")
    add("-q", "--quiet", action="store_true", help="show nothing")
    add("what", metavar="MODEL INPUT", nargs="*",
        help="expressions; an INPUT may be a shape such as 8x3x224x224")  # fmt: skip
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
            options, words = _read(line)
            shown, named, returned = (options.pop(name) for name in ("quiet", "output", "returned"))
            model, *inputs = (evaluate(word, names) for word in words)
            result = profile(model, *inputs, **options)
        except ConvProfileError as error:
            raise UsageError(f"%convprofile: {error}") from error
        except Interrupted as interruption:
            result = interruption.partial
        if named:
            self.shell.user_ns[named] = result
        if not shown:
            display(result)
        return result if returned else None

    convprofile.__doc__ = (
        f"{_PARSER.format_help()}\nExample: %convprofile model 8x3x224x224 --mode eval"
    )


def _read(line: str) -> tuple[dict[str, Any], list[str]]:
    """Split a line into options and expressions.

    Raises:
        InputError: If an option is unknown or malformed, or no model is given.
    """
    words = _words(line)
    _PARSER.options_known(words)
    # Intermixed: options may stand before, between and after the expressions.
    options = vars(_PARSER.parse_intermixed_args(words))
    expressions = split_expressions(" ".join(options.pop("what")))
    if not expressions:
        raise InputError("no model given; write %convprofile MODEL INPUT")
    return options, expressions


def _words(line: str) -> list[str]:
    """Split at blanks, quoted text kept whole and in its quotes: it is Python."""
    lexer = shlex.shlex(line, posix=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError as error:
        raise InputError(f"a quote is not closed (got {line!r}); close it") from error


def split_expressions(text: str) -> list[str]:
    """Split at blanks, but not within a Python expression: 'net f(a, b)' has two parts."""
    parts: list[str] = []
    current = ""
    for word in text.split():
        current = f"{current} {word}" if current else word
        if _complete(current):
            parts.append(current)
            current = ""
    return [*parts, current] if current else parts


def _complete(text: str) -> bool:
    try:
        if parse_shape(text) is not None:
            return True
        ast.parse(text, mode="eval")
    except InputError:  # meant to be a shape: the complaint comes when it is used
        return True
    except SyntaxError:
        return False
    return True


def evaluate(text: str, names: Mapping[str, Any]) -> Any:  # noqa: ANN401, any Python value
    """Return the value of an expression, or the shape itself.

    Raises:
        InputError: If the expression fails; the message suggests a near name.
    """
    if parse_shape(text) is not None:
        return text
    try:
        return eval(text, dict(names))  # noqa: S307, the user's own line, as in a cell
    except SyntaxError as error:
        raise InputError(f"{text!r}: not an expression ({error.msg}); check the line") from error
    except NameError as error:
        unknown = error.name or text
        hint = near(unknown, {name for name in names if not name.startswith("_")})
        if not hint.startswith("did"):
            hint = "define it first"
        raise InputError(f"{unknown}: no such name; {hint}") from error
    except Exception as error:
        raise InputError(
            f"{text!r}: raised {type(error).__name__}: {error}; check the expression",
        ) from error


def register(shell: InteractiveShell) -> None:
    """Make the magic known to a shell."""
    shell.register_magics(ConvProfileMagics)


def unregister(shell: InteractiveShell) -> None:
    """Take the magic from a shell."""
    shell.magics_manager.magics["line"].pop("convprofile", None)
    shell.magics_manager.registry.pop("ConvProfileMagics", None)
