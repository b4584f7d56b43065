"""How tests read a report: as text, and as a browser or a screen reader reads HTML."""

from html.parser import HTMLParser


def text_of(made):
    return made._repr_mimebundle_()["text/plain"]


def html_of(made):
    return made._repr_mimebundle_()["text/html"]


class Page(HTMLParser):
    """Reads a fragment, and keeps what a browser or a screen reader would make of it."""

    VOID = ("br", "img")

    def __init__(self, fragment):
        super().__init__()
        self.open, self.tags, self.styles, self.headers = [], [], [], []
        self.tables, self.words = [], []
        self.feed(fragment)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.styles.append(dict(attrs).get("style", ""))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self.tables[-1][-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if self.open and self.open[-1] in {"td", "th"}:
            self.tables[-1][-1][-1] += data
