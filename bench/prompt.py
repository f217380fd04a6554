"""What a prompt costs to build: packing, counting and rendering, in milliseconds of one processor.

    python -m bench.prompt MODEL_FOLDER [--passages 20] [--rounds 200]

The folder holds the served model's tokenizer and chat template; counting is done in this process. Text is made of
English and Chinese sentences, about 1,000 and 350 characters a passage. Nothing is remembered between rounds.
"""

import argparse
import asyncio
import random
import statistics
import time

from indexes.model import Hit, Row
from service.budget import Request, fit
from service.llm import Prompt
from service.prompt import Piece, boundary, pack, render, worth_showing
from service.templates import CHAT_EN, CHAT_ZH, Template
from service.testing import ScriptedModel
from service.tokenizer import LocalTokenizer

_WORDS = (
    "harbour berth quay ferry lamp shed rope storm summer winter office council fee crown guest dog rule notice captain"
    " pilot opens closes leaves costs carries keeps pays books signs early late north south stone wooden every third"
)
WORDS = _WORDS.split()
SIGNS = "港口早上六点开放晚上九点关闭星期日和节假日除外停泊一晚收费十二元船长须在窗口登记并出示证件狗必须牵绳风暴来临"


class Counting(ScriptedModel):
    """Counts with a real tokenizer and chat template."""

    def __init__(self, tokenizer: LocalTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    async def count(self, prompt: Prompt) -> int:
        self.counted += 1
        return self.tokenizer.count(prompt)


def passage(chance: random.Random, n: int, chinese: bool) -> Hit:
    if chinese:
        text = "".join("".join(chance.choices(SIGNS, k=chance.randint(8, 30))) + "。" for _ in range(18))
    else:
        text = " ".join(" ".join(chance.choices(WORDS, k=chance.randint(6, 20))).capitalize() + "." for _ in range(12))
    start = 5000 * (n % 2)
    return Hit(
        row=Row(n), id=f"p{n}", document_id=f"d{n // 2}", title=f"Harbour notice {n}", path=f"{n}.md", text=text,
        media_type="text/markdown", collection="default", language=None, ordinal=10 * n, start=start,
        end=start + len(text), section=("Notices", "Summer"), pages=(), page_kind=None, score=1 / (n + 1),
    )  # fmt: skip


def request(hits: tuple[Hit, ...], template: Template) -> Request:
    kept, left = worth_showing(hits, 4)
    return Request(
        template=template, question="When does the harbour open in summer?", hits=kept, left_out=left, history=(),
        answer_tokens=512, view_id="view", secret=b"bench",
    )  # fmt: skip


def median_ms(rounds: int, work: list[tuple[Hit, ...]], template: Template, model: Counting, window: int) -> float:
    spent = []
    loop = asyncio.new_event_loop()
    for turn in range(rounds):
        begun = time.process_time()
        loop.run_until_complete(fit(request(work[turn % len(work)], template), model, window))
        spent.append(1000 * (time.process_time() - begun))
    loop.close()
    return statistics.median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", help="with tokenizer.json and the chat template")
    parser.add_argument("--passages", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=200)
    given = parser.parse_args()
    tokenizer = LocalTokenizer(given.folder)
    chance = random.Random(1)
    for name, chinese, template in (("English", False, CHAT_EN), ("Chinese", True, CHAT_ZH)):
        work = [tuple(passage(chance, n, chinese) for n in range(given.passages)) for _ in range(8)]
        for window in (131_072, 4_096):
            model = Counting(tokenizer)
            ms = median_ms(given.rounds, work, template, model, window)
            print(
                f"{name}, {given.passages} passages, window {window}: {ms:.2f} ms,"
                f" {model.counted / given.rounds:.2f} counts a prompt"
            )
        parts: dict[str, list[float]] = {"pack": [], "render": [], "count": []}
        for turn in range(given.rounds):
            begun = time.process_time()
            kept = worth_showing(work[turn % len(work)], 4)[0]
            passages = pack([Piece(hit, len(hit.text)) for hit in kept])
            packed = time.process_time()
            mark = boundary(b"bench", "view", "When?", passages)
            prompt = render(template, "When?", passages, (), mark)
            rendered = time.process_time()
            tokens = tokenizer.count(prompt)
            counted = time.process_time()
            for part, span in zip(parts, (packed - begun, rendered - packed, counted - rendered), strict=True):
                parts[part].append(1000 * span)
        print(f"  {tokens} tokens: ", end="")
        print(", ".join(f"{part} {statistics.median(spent):.2f} ms" for part, spent in parts.items()))


if __name__ == "__main__":
    main()
