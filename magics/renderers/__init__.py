"""A record in, a string or a figure out. Knows neither torch nor IPython.

Importing this package lets every profile show itself, as text and as HTML.
"""

from magics.records import register_view
from magics.renderers.html import render as _html
from magics.renderers.text import render as _text

register_view("text/plain", _text)
register_view("text/html", _html)
