"""Word files of today's format.

`document` reads one file; `story` reads one of its parts with what the tables of `paragraphs`,
`runs`, `tables`, `boxes` and `changes` say of each tag, and `state` is what they share. `looks` says
which letters are seen, `styles` and `numbering` what the file says of its paragraphs, `symbols` what
signs of its fonts mean.
"""

from ingest.partition.word.document import read_word

__all__ = ["read_word"]
