"""OpenDocument files: text and presentations (`document`), spreadsheets (`spreadsheet`).

`story` reads one part of a text or a presentation with what the tables of `paragraphs`, `tables`,
`insets` and `slides` say of each tag; `state` is what they share. `styles` says what is hidden and
raised, `text` what one paragraph says, `objects` what charts, formulas and pictures say.
"""

from ingest.partition.odf.document import read_presentation, read_text
from ingest.partition.odf.spreadsheet import read_spreadsheet

__all__ = ["read_presentation", "read_spreadsheet", "read_text"]
