"""``python -m nbimport COMMAND``: find the command, parse its arguments, call it.

Each command is a module with ``add_arguments(parser)`` and ``run(arguments, parser)``, which
returns the exit code. Only the one that is called is imported.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from nbimport.errors import NotebookImportError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROGRAM = "python -m nbimport"
_USAGE_ERROR = 2  # as Python's own
INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended
# Command -> its module, and what it does in one line.
_COMMANDS = {
    "run": ("nbimport.commands.run", "run a notebook as a program, with arguments"),
    "source": ("nbimport.commands.source", "print the Python that an import executes"),
    "check": ("nbimport.commands.check", "say which notebooks of a folder load, and why not"),
    "stubs": ("nbimport.commands.stubs", "write .pyi files for editors and type checkers"),
    "cache": ("nbimport.commands.cache", "show or clear compiled notebooks"),
    "enable": (
        "nbimport.commands.enable",
        "let every process of this environment import notebooks",
    ),
    "disable": ("nbimport.commands.disable", "take `enable` back"),
    "mounts": ("nbimport.commands.mounts", "list the folders that pyproject.toml gives names to"),
}


class Parser(argparse.ArgumentParser):
    """Report a wrong argument in one line."""

    def error(self, message: str) -> NoReturn:
        """End with one line on standard error and exit code 2."""
        sys.stderr.write(f"{self.prog}: {message}; see `{self.prog} --help`\n")
        raise SystemExit(_USAGE_ERROR)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        words: The arguments; None takes those of this process.

    Returns:
        The exit code: 0; 1 where the command says no or failed; 2 after a wrong argument, with one
        line on standard error; 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if words is None else words)
    command = words[0] if words else "--help"
    if command not in _COMMANDS:
        return _without_command(words)
    module = import_module(_COMMANDS[command][0])
    parser = Parser(
        prog=f"{_PROGRAM} {command}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    if command == "run":  # everything behind the notebook belongs to the notebook
        arguments = parser.parse_args(words[1:2])
        arguments.arguments = words[2:]
        return int(module.run(arguments, parser))
    arguments = parser.parse_args(words[1:])
    try:
        return int(module.run(arguments, parser))
    except NotebookImportError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # as `... | head` does
        sys.stderr.close()
        return 1


def _without_command(words: list[str]) -> int:
    """Answer ``--help`` and what is no command."""
    listed = "\n".join(f"  {name:<8} {does}" for name, (_, does) in _COMMANDS.items())
    parser = Parser(
        prog=_PROGRAM,
        usage=f"{_PROGRAM} [-h] COMMAND ...",
        description="Notebooks that import like .py files.",
        epilog=f"commands:\n{listed}\n\n`{_PROGRAM} COMMAND --help` explains one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if not words:
        parser.print_help()
        return 0
    if not words[0].startswith("-"):
        from difflib import get_close_matches

        close = get_close_matches(words[0], _COMMANDS, 1)
        known = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(_COMMANDS)}"
        parser.error(f"no command {words[0]!r}: {known}")
    parser.parse_args(words)
    return 0
