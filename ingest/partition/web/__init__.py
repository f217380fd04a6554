"""Web pages and Markdown, and whatever is written in HTML inside other files.

`pages` and `markdown` read files; `reader` goes through a tree (`trees`) and hands text to `writer`,
`fields` and `tables` know what forms and tables show, `unmarked_tables` finds tables of other
elements, `styles` what is hidden, by the `rules` and `measures` of style sheets; `formulas` writes
formulas as a line.
"""

from ingest.partition.web.markdown import parse_markdown, read_markdown, warm_up
from ingest.partition.web.pages import parse_html, parse_html_bytes, read_html

__all__ = [
    "parse_html",
    "parse_html_bytes",
    "parse_markdown",
    "read_html",
    "read_markdown",
    "warm_up",
]
