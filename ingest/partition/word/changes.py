"""Tracked changes of Word files, and what old programs are to show instead of something new."""

from lxml import etree

from ingest.partition.office.story import Handlers
from ingest.partition.word.state import WordStory


def _start_alternatives(story: WordStory, node: etree._Element) -> None:
    story.choices.append(story.produced)


def _end_alternatives(story: WordStory, node: etree._Element) -> None:
    if story.choices:
        story.choices.pop()


def _start_fallback(story: WordStory, node: etree._Element) -> None:
    """What an old program shows instead is passed over, unless nothing came of the other way."""
    produced = bool(story.choices) and story.produced > story.choices[-1]
    choices = node.itersiblings("{*}Choice", preceding=True)
    passed = produced or any(
        True for choice in choices for _ in choice.iter("{*}blip", "{*}chart", "{*}relIds", "{*}t")
    )
    story.fallbacks.append(passed)
    story.skipped += passed


def _end_fallback(story: WordStory, node: etree._Element) -> None:
    if story.fallbacks and story.fallbacks.pop():
        story.skipped -= 1
        node.clear()


def _start_deletion(story: WordStory, node: etree._Element) -> None:
    story.deleted += 1


def _end_deletion(story: WordStory, node: etree._Element) -> None:
    story.deleted = max(0, story.deleted - 1)


def _start_move(story: WordStory, node: etree._Element) -> None:
    story.skipped += 1


def _end_move(story: WordStory, node: etree._Element) -> None:
    story.skipped = max(0, story.skipped - 1)


CHANGES: Handlers[WordStory] = {
    ("start", "AlternateContent"): _start_alternatives,
    ("end", "AlternateContent"): _end_alternatives,
    ("start", "Fallback"): _start_fallback,
    ("end", "Fallback"): _end_fallback,
    ("start", "del"): _start_deletion,
    ("end", "del"): _end_deletion,
    ("start", "moveFrom"): _start_move,
    ("end", "moveFrom"): _end_move,
}
