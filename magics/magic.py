"""`%convprofile`: parse the line, call `magics.profile`, display. Nothing else."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, needs_local_scope, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from magics import profile
from magics.errors import ConvProfileError, InputError
from magics.measurement.inputs import parse_shape
from magics.options import LAYOUTS, MODES, near
from magics.session import Interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from magics.records import Profile


@magics_class
class ConvProfileMagics(Magics):
    """The magic."""

    @no_var_expand
    @needs_local_scope
    @magic_arguments()
    @argument("--mode", choices=MODES, default="as_is", help="eval, train, or as the model is")
    @argument("--backward", action="store_true", help="measure the backward pass too")
    @argument("--no-measure", action="store_true", help="count only, measure no times")
    @argument("--device", help="run on this device, such as cuda or meta")
    @argument("--dtype", help="run in this element type, such as bfloat16")
    @argument("--layout", choices=LAYOUTS, help="memory layout of weights and input")
    @argument("--threads", type=int, help="threads for torch")
    @argument("--batch", type=int, help="batch size of inputs given as shapes")
    @argument("--budget", type=float, default=2.0, help="how long to measure at most [s]")
    @argument("-r", "--return", dest="returned", action="store_true", help="return the profile")
    @argument("-o", "--output", metavar="NAME", help="store the profile under this name")
    @argument("-q", "--quiet", action="store_true", help="show nothing")
    @argument("what", nargs="*", help="MODEL INPUT...: expressions, or shapes like 8x3x224x224")
    @line_magic
    def convprofile(self, line: str, local_ns: dict[str, Any] | None = None) -> Profile | None:
        """Show what each layer of a model costs on an input.

        Example: %convprofile model 8x3x224x224 --mode eval
        """
        arguments = self._parse(line)
        names = {**self.shell.user_ns, **(local_ns or {})}
        words = split_expressions(" ".join(arguments.what))
        if not words:
            raise UsageError("%convprofile: no model given; write %convprofile MODEL INPUT")
        try:
            model = evaluate(words[0], names)
            inputs = [evaluate(word, names) for word in words[1:]]
            result = profile(
                model,
                *inputs,
                measure=not arguments.no_measure,
                mode=arguments.mode,
                backward=arguments.backward,
                device=arguments.device,
                dtype=arguments.dtype,
                layout=arguments.layout,
                threads=arguments.threads,
                batch=arguments.batch,
                budget=arguments.budget,
            )
        except ConvProfileError as error:
            raise UsageError(f"%convprofile: {error}") from error
        except Interrupted as interruption:
            result = interruption.partial
        if arguments.output:
            self.shell.user_ns[arguments.output] = result
        if not arguments.quiet:
            display(result)
        return result if arguments.returned else None

    def _parse(self, line: str) -> Any:  # noqa: ANN401, argparse's namespace
        try:
            return parse_argstring(self.convprofile, line)
        except ValueError as error:
            raise UsageError(f"%convprofile: {error} (got {line!r}); close the quotes") from error
        except UsageError as error:
            known = self.convprofile.parser._option_string_actions
            for word in line.split():
                option = word.partition("=")[0]
                if option.startswith("--") and option not in known:
                    raise UsageError(
                        f"%convprofile: {option}: no such option; {near(option, known)}",
                    ) from error
            raise


def split_expressions(text: str) -> list[str]:
    """Split at blanks, but not within a Python expression: 'net f(a, b)' has two parts."""
    parts: list[str] = []
    current = ""
    for word in text.split():
        current = f"{current} {word}" if current else word
        if _complete(current):
            parts.append(current)
            current = ""
    if current:
        parts.append(current)
    return parts


def _complete(text: str) -> bool:
    if parse_shape_or_none(text):
        return True
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


def parse_shape_or_none(text: str) -> bool:
    """Return whether a word is a shape, or meant to be one."""
    try:
        return parse_shape(text) is not None
    except InputError:
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
        public = {name for name in names if not name.startswith("_")}
        hint = near(unknown, public) if public else "define it first"
        if hint.startswith("choose"):
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
