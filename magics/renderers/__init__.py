"""A record in, a string or a figure out. Knows neither torch nor IPython.

Importing this package lets every profile show itself, as text and as HTML, and become a page, a
trace or a figure. matplotlib is imported only when a figure is asked for.
"""

from magics.records import register_form, register_view
from magics.renderers.advice import report as _advice
from magics.renderers.comparison import report as _comparison
from magics.renderers.html import render as _html
from magics.renderers.page import render as _page
from magics.renderers.plots import figure as _figure
from magics.renderers.spread import report as _spread
from magics.renderers.sweep import report as _sweep
from magics.renderers.sweep.plot import figure as _sweep_figure
from magics.renderers.terminal import render as _terminal
from magics.renderers.text import render as _text
from magics.renderers.trace import render as _trace

register_view("text/plain", _text)
register_view("text/html", _html)
register_form("page", _page)
register_form("trace", _trace)
register_form("figure", _figure)
register_form("terminal", _terminal)
register_view("text/plain", _advice.as_text, of="Advice")
register_view("text/html", _advice.as_html, of="Advice")
register_form("page", _advice.as_page, of="Advice")
register_form("terminal", _advice.in_terminal, of="Advice")
register_view("text/plain", _comparison.as_text, of="Comparison")
register_view("text/html", _comparison.as_html, of="Comparison")
register_form("page", _comparison.as_page, of="Comparison")
register_form("terminal", _comparison.in_terminal, of="Comparison")
register_view("text/plain", _spread.as_text, of="Spread")
register_view("text/html", _spread.as_html, of="Spread")
register_form("page", _spread.as_page, of="Spread")
register_form("terminal", _spread.in_terminal, of="Spread")
register_view("text/plain", _sweep.as_text, of="Sweep")
register_view("text/html", _sweep.as_html, of="Sweep")
register_form("page", _sweep.as_page, of="Sweep")
register_form("terminal", _sweep.in_terminal, of="Sweep")
register_form("figure", _sweep_figure, of="Sweep")
