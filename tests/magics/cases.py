"""Small models, each with its input and what it costs, counted by hand."""

import call_cases
import layer_cases

CASES = {**layer_cases.CASES, **call_cases.CASES}
