"""What is searched for after a follow-up, without a model: whether the right subject is kept, the right
thing replaced, and nothing added to a question that stands alone.

The conversations are those of `follow_ups.yaml`, divided by a hash of their words: look at `dev` while
working, report `held-out`. Of sets whose questions stand alone, it is told to how many something is
added after a question about something else; a few of these do lean ("What did this agreement do?").

    python -m bench.follow_ups squad2-dev-en cmrc2018-dev-zh --half held-out
"""

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from bench.extractive import DATA, rows
from bench.extractive import half as half_of
from indexes.text.scripts import Script, script
from service.answering import phrases
from service.answering.follow_ups import complete_by_rule
from service.answering.greetings import find_courtesy
from service.answering.prompt import Turn, alternate_turns

BEFORE = {"en": "When does the canteen serve breakfast?", "zh": "食堂几点供应早餐？"}
CONVERSATIONS = Path(__file__).with_suffix(".yaml")

Kind = Literal["replaces", "adds", "alone", "courtesy", "several turns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One follow-up and what must come of it."""

    said: tuple[str | None, ...]  # question and answer by turns; None: nothing answered
    asks: str
    keeps: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    alone: bool = False
    courtesy: bool = False

    @property
    def turns(self) -> tuple[Turn, ...]:
        turns = []
        for place, text in enumerate(self.said):
            none = phrases.NOT_ANSWERED[script(self.asks)]
            turns.append(Turn("assistant" if place % 2 else "user", none if text is None else text))
        return alternate_turns(turns)

    @property
    def half(self) -> str:
        words = "\n".join([*(text or "" for text in self.said), self.asks])
        return "dev" if hashlib.sha256(words.encode()).digest()[0] % 2 else "held-out"

    @property
    def kind(self) -> Kind:
        if self.courtesy:
            return "courtesy"
        if self.alone:
            return "alone"
        if len(self.said) > 2:
            return "several turns"
        return "replaces" if self.drops else "adds"

    @property
    def language(self) -> Script:
        return script(self.asks)


def read_conversations() -> list[Conversation]:
    found: list[dict[str, Any]] = yaml.safe_load(CONVERSATIONS.read_text(encoding="utf-8"))
    return [
        Conversation(
            said=tuple(one["said"]),
            asks=one["asks"],
            keeps=tuple(one.get("keeps", ())),
            drops=tuple(one.get("drops", ())),
            alone=one.get("alone", False),
            courtesy=one.get("courtesy", False),
        )
        for one in found
    ]


def find_faults(one: Conversation, searched: str | None) -> list[str]:
    """What is wrong with what is searched for; None: nothing is."""
    if one.courtesy or searched is None:
        return [] if one.courtesy and searched is None else ["taken for what it is not"]
    if one.alone:
        return [] if searched == one.asks else ["something is added"]
    told = searched.casefold()
    lost = [f"lost {word}" for word in one.keeps if word.casefold() not in told]
    return lost + [f"left {word}" for word in one.drops if word.casefold() in told]


def search_words(one: Conversation) -> str | None:
    """What is searched for; None if nothing is."""
    return None if find_courtesy(one.asks) else complete_by_rule(one.asks, one.turns)


def report(conversations: Sequence[Conversation], *, verbose: bool) -> None:
    right: dict[tuple[Script, Kind], list[bool]] = defaultdict(list)
    for one in conversations:
        searched = search_words(one)
        faults = find_faults(one, searched)
        right[one.language, one.kind].append(not faults)
        if verbose and faults:
            print(f"{'; '.join(faults)}\n    {one.asks}  →  {searched}")
    for (language, kind), well in sorted(right.items()):
        print(f"{language}  {kind:<14} {sum(well):>3} of {len(well)}")
    everything = [well for some in right.values() for well in some]
    print(f"all {'':<14} {sum(everything):>3} of {len(everything)}")


def report_added(name: str, half: str) -> None:
    """To how many questions of a set something is added."""
    asked = [
        row
        for row in rows(DATA / "retrieval" / name / "queries.jsonl.gz")
        if half_of(row["_id"]) == half
    ]
    added = sum(_is_added_to(row["text"]) for row in asked)
    print(f"{name:<18} added to {added} of {len(asked)}, {100 * added / len(asked):.1f} %")


def _is_added_to(question: str) -> bool:
    before = BEFORE[script(question)]
    return complete_by_rule(question, (Turn("user", before), Turn("assistant", "…"))) != question


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sets", nargs="*", help="of the retrieval data; their questions stand alone"
    )
    parser.add_argument("--half", choices=["dev", "held-out"], default="dev")
    parser.add_argument("--verbose", action="store_true", help="show what went wrong")
    given = parser.parse_args()
    chosen = [one for one in read_conversations() if one.half == given.half]
    report(chosen, verbose=given.verbose)
    for name in given.sets:
        report_added(name, given.half)


if __name__ == "__main__":
    main()
