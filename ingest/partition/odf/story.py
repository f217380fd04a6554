"""One stream of OpenDocument markup, read once and in its order: text, slides, headers and footers."""

from ingest.partition.odf.insets import INSETS
from ingest.partition.odf.paragraphs import PARAGRAPHS
from ingest.partition.odf.slides import SLIDES
from ingest.partition.odf.state import OdfStory
from ingest.partition.odf.tables import TABLES
from ingest.partition.office.story import Handlers, read_part

_HANDLERS: Handlers[OdfStory] = {**PARAGRAPHS, **TABLES, **INSETS, **SLIDES}


def read_story(story: OdfStory, name: str) -> None:
    """Reads one part of the file into the story; what a damaged part left open belongs to its body."""
    read_part(story, name, _HANDLERS)
    for flow in story.flows[1:]:
        story.elements.extend(flow.elements)
    story.flows = story.flows[:1]
    story.flush()
