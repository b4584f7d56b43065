"""What tests of `%convprofile` share: how a shell is asked, and what a refusal is like."""

import pytest
from IPython.core.error import UsageError
from IPython.utils.capture import capture_output


def run(shell, line, cell=None):
    """Run a line magic, or a cell magic; return what it returned and what it displayed."""
    with capture_output() as shown:
        if cell is None:
            result = shell.run_line_magic("convprofile", line)
        else:
            result = shell.run_cell_magic("convprofile", line, cell)
    return result, shown.outputs


def refusal(shell, line, cell=None):
    """Return what is said of a line that is wrong: a single line."""
    with pytest.raises(UsageError) as caught:
        run(shell, line, cell)
    said = str(caught.value)
    assert said.startswith("%convprofile: ")
    assert len(said.splitlines()) == 1
    return said
