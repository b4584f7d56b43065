"""Notebooks as JSON values, to be damaged."""

import json

CODE = {
    "cell_type": "code",
    "metadata": {},
    "outputs": [],
    "execution_count": None,
    "source": "x = 1",
}
GOOD = {
    "cells": [{"cell_type": "markdown", "metadata": {}, "source": ["Title\n", "text"]}, CODE],
    "metadata": {"language_info": {"name": "python"}, "kernelspec": {"language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
OLD = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {"name": ""},
    "worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1"], "outputs": []}]}],
}


def with_cell(source):
    return json.dumps({**GOOD, "cells": [CODE, {**CODE, "source": source}]}).encode()
