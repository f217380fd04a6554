"""PowerPoint files of today's format.

`document` reads one file, `slide` one of its slides, `shapes` knows places and the order of reading,
`deck` is what the slides share.
"""

from ingest.partition.slides.document import read_slides

__all__ = ["read_slides"]
