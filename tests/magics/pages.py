"""How tests read a report: as text, and as a browser or a screen reader reads HTML."""

from html.parser import HTMLParser


def text_of(made):
    return made._repr_mimebundle_()["text/plain"]


def html_of(made):
    return made._repr_mimebundle_()["text/html"]


class Page(HTMLParser):
    """Reads a fragment, and keeps what a browser or a screen reader would make of it.

    Attributes:
        tables: Rows of cells' texts, one list for each table.
        sums: The same for the lines that sum up a module.
        words: What is to be read.
        codes: Scripts and styles.
    """

    VOID = ("br", "img")

    def __init__(self, fragment):
        super().__init__()
        self.open, self.tags, self.styles, self.headers = [], [], [], []
        self.tables, self.sums, self.words, self.codes = [], [], [], []
        self.feed(fragment)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.styles.append(dict(attrs).get("style", ""))
        if tag == "table":
            self.tables.append([])
            self.sums.append([])
        if tag == "tr":  # sums over a module are no rows of their own
            self.row = []
            (self.sums if dict(attrs).get("class") == "g" else self.tables)[-1].append(self.row)
        if tag in {"td", "th"}:
            self.row.append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in {"script", "style"}:
            self.codes.append(data)
            return
        self.words.append(data)
        if self.open and self.open[-1] in {"td", "th"}:
            self.row[-1] += data
