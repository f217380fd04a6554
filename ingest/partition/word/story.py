"""One stream of Word markup, read once and in its order: a body, a header, the notes, the comments.

Fields, content controls, smart tags, insertions and formulas stand where they stand in the
sentence; what is deleted, or was moved from here, does not. Nothing here recurs, and finished
markup goes from memory at once, whatever the size of the part.
"""

from ingest.partition.office.story import Handlers, read_part
from ingest.partition.word.boxes import BOXES
from ingest.partition.word.changes import CHANGES
from ingest.partition.word.paragraphs import PARAGRAPHS, settle
from ingest.partition.word.runs import RUNS
from ingest.partition.word.state import WordStory
from ingest.partition.word.tables import TABLES

_HANDLERS: Handlers[WordStory] = {**PARAGRAPHS, **RUNS, **TABLES, **BOXES, **CHANGES}


def read_story(story: WordStory, name: str) -> None:
    """Reads one part of the file into the story."""
    story.relations = {
        key: (each.kind, each.target) for key, each in story.package.relations(name).items()
    }
    read_part(story, name, _HANDLERS)
    story.end_all()
    settle(story, story.flow)
    story.flush()
