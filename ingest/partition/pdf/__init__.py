"""PDF to elements: paragraphs, headings and tables by where words stand, and pages that are
pictures by OCR.

The rooms: `content` asks PDFium for `words` and `drawing` (its home, with `forms` and `scans`),
`hidden` finds what nobody sees, `tables` finds tables, `flow` makes printed lines, `running` finds
headers and footers, `paragraphs` makes elements, `document` does all that for one file.
"""

from ingest.partition.pdf.document import read_pdf

__all__ = ["read_pdf"]
