"""What a prompt costs to build: packing, counting and rendering, in milliseconds of one processor.

    python -m bench.prompt MODEL_FOLDER [--passages 20] [--rounds 200]

The folder holds the served model's tokenizer and chat template; counting is done in this process.
Passages are paragraphs of `squad2-dev-en` and `cmrc2018-dev-zh` under CLEARANCE_DATA, each shown
about as often as the others; where they are missing, sentences made of a few words. In every round,
for the same passages:

- prompt: everything, from hits to a counted prompt
- ours: the same without counting
- library: only counting, as the tokenizer library counts the whole text; it remembers words too

What was counted before is counted sooner. So there are three lines for each language: the first
rounds, when hardly a word was; the others in which no passage was shown before, as with questions
about something that nobody asked about yet; and those in which every passage was.
"""

import argparse
import asyncio
import gzip
import json
import os
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer

from indexes.model import Hit, Row
from indexes.search.deduplication import Selection
from service.answering.budget import FittedPrompt, PackingRequest, fit_prompt
from service.answering.prompt import LeftOut
from service.llm.port import Prompt
from service.llm.tokenizer import LocalTokenizer
from service.templates.template import CHAT_EN, CHAT_ZH, Template
from service.testing.models import ScriptedModel

DATA = Path(os.environ.get("CLEARANCE_DATA", "../shared/data")) / "retrieval"
FIRST = 5  # rounds in which hardly a word was counted before
ROUNDS = 200
_WORDS = (
    "harbour berth quay ferry lamp shed rope storm summer winter office council fee crown guest dog rule notice captain"
    " pilot opens closes leaves costs carries keeps pays books signs early late north south stone wooden every third"
)
WORDS = _WORDS.split()
SIGNS = "港口早上六点开放晚上九点关闭星期日和节假日除外停泊一晚收费十二元船长须在窗口登记并出示证件狗必须牵绳风暴来临"


class Counting(ScriptedModel):
    """Counts with a real tokenizer and chat template, and keeps what that took."""

    def __init__(self, tokenizer: LocalTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.spent_ms = 0.0

    async def count(self, prompt: Prompt) -> int:
        self.count_calls += 1
        begun = time.thread_time()
        count = self.tokenizer.count(prompt)
        self.spent_ms += 1000 * (time.thread_time() - begun)
        return count


class Library:
    """Counts a whole text as the library does."""

    def __init__(self, folder: str, renderer: LocalTokenizer) -> None:
        self.tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        self.renderer = renderer

    def count(self, prompt: Prompt) -> int:
        text = self.renderer.render(prompt)
        return len(self.tokenizer.encode_batch_fast([text], add_special_tokens=False)[0])


def read_texts(chinese: bool, chance: random.Random) -> list[str]:
    path = DATA / ("cmrc2018-dev-zh" if chinese else "squad2-dev-en") / "corpus.jsonl.gz"
    if path.is_file():
        with gzip.open(path, "rt", encoding="utf-8") as rows:
            return [json.loads(row)["text"] for row in rows]
    if chinese:
        made = (
            ["".join(chance.choices(SIGNS, k=chance.randint(8, 30))) for _ in range(18)]
            for _ in range(800)
        )
        return ["。".join(sentences) + "。" for sentences in made]
    lines = (
        [" ".join(chance.choices(WORDS, k=chance.randint(6, 20))) for _ in range(12)]
        for _ in range(800)
    )
    return [". ".join(map(str.capitalize, sentences)) + "." for sentences in lines]


def make_hit(n: int, text: str) -> Hit:
    start = 5000 * (n % 2)
    return Hit(
        row=Row(n), id=f"p{n}", document_id=f"d{n // 2}", title=f"Harbour notice {n}", path=f"{n}.md", text=text,
        media_type="text/markdown", collection="default", language=None, ordinal=10 * n, start=start,
        end=start + len(text), section=("Notices", "Summer"), pages=(), page_kind=None, score=1 / (n + 1),
    )  # fmt: skip


def deal_hands(given: list[str], passages: int, chance: random.Random) -> Iterator[tuple[Hit, ...]]:
    """Hands of passages; a text comes again only when all have come."""
    while True:
        chance.shuffle(given)
        for first in range(0, len(given) - passages + 1, passages):
            yield tuple(make_hit(n, text) for n, text in enumerate(given[first : first + passages]))


async def build_prompt(
    hits: tuple[Hit, ...], template: Template, model: Counting, window: int
) -> FittedPrompt:
    selection = Selection(len(hits), 4)
    selection.take(hits)
    left_out = tuple(LeftOut.of(left.hit, left.reason) for left in selection.left_out)
    wanted = PackingRequest(
        template=template, question="When does the harbour open in summer?", hits=selection.kept,
        left_out=left_out, history=(), answer_tokens=512, view_id="view", secret=b"bench",
    )  # fmt: skip
    return await fit_prompt(wanted, model, window)


async def measure_prompts(
    folder: str, *, chinese: bool, passages: int, rounds: int, window: int
) -> None:
    chance = random.Random(1)
    tokenizer = LocalTokenizer(folder)
    library = Library(folder, tokenizer)
    model = Counting(tokenizer)
    template = CHAT_ZH if chinese else CHAT_EN
    given = read_texts(chinese, chance)
    hands = deal_hands(given, passages, chance)
    spent: dict[str, list[float]] = {"prompt": [], "ours": [], "library": []}
    tokens = []
    for _ in range(rounds):
        model.spent_ms = 0.0
        begun = time.thread_time()
        made = await build_prompt(next(hands), template, model, window)
        whole = 1000 * (time.thread_time() - begun)
        begun = time.thread_time()
        counted = library.count(made.prompt)
        alone = 1000 * (time.thread_time() - begun)
        assert counted == made.tokens
        tokens.append(counted)
        for name, ms in (("prompt", whole), ("ours", whole - model.spent_ms), ("library", alone)):
            spent[name].append(ms)
    print(
        f"{'Chinese' if chinese else 'English'}, {passages} passages, {statistics.median(tokens):.0f} tokens, window"
        f" {window}, {model.count_calls / rounds:.2f} counts a prompt; milliseconds:"
    )
    known = len(given) // passages  # rounds after which every passage was shown once
    for which, some in (
        ("first rounds", slice(FIRST)), ("passages new", slice(FIRST, known)), ("shown before", slice(known, None))
    ):  # fmt: skip
        if spent["prompt"][some]:
            told = (f"{name} {statistics.median(ms[some]):5.2f}" for name, ms in spent.items())
            print(f"  {which}: {', '.join(told)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", help="with tokenizer.json and the chat template")
    parser.add_argument("--passages", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    for chinese in (False, True):
        for window in (131_072, 4_096):
            asyncio.run(
                measure_prompts(
                    given.folder,
                    chinese=chinese,
                    passages=given.passages,
                    rounds=given.rounds,
                    window=window,
                )
            )


if __name__ == "__main__":
    main()
