"""Rich text (RTF): its words one by one, every text in the code page of its font.

`document` gives the elements, `tokens` goes through the bytes, `groups` and `words` say what each
word does, `reading` is what is known meanwhile. `flows` makes paragraphs and tables (`tables`) of
text, `fonts` makes text of bytes.
"""

from ingest.partition.rtf.document import parse_rtf, read_rtf

__all__ = ["parse_rtf", "read_rtf"]
