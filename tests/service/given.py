"""Hits and hypothesis strategies that the tests of this folder share."""

from collections.abc import Iterable, Sequence

from hypothesis import settings
from hypothesis import strategies as st

from indexes.model import Hit, PageMark, Principal, Row, SearchResult
from indexes.search.deduplication import Selection
from service.answering.prompt import Excerpt, LeftOut, Passage, pack_passages

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

ADA = Principal(name="user:ada")

CONTROL_TOKENS = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|begin_of_text|>", "<|start_header_id|>", "<|user|>",
    "<s>", "</s>", "<bos>", "<eos>", "<pad>", "<unk>", "<start_of_turn>", "<end_of_turn>", "<tool_call>", "<think>",
    "</tool_call>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[TOOL_CALLS]", "[gMASK]", "<sop>", "<repo_name>",
    "<|START_OF_TURN_TOKEN|>", "<｜begin▁of▁sentence｜>", "<｜User｜>", "<unused12>", "<extra_id_0>", "<0x0A>",
    "<|turn>", "<turn|>", "[|user|]", "[|endofturn|]", "<seed:bos>", "<role>", "</role>", "<AI>", "<用户>", "[@BOS@]",
    "]~b]", "]~!b[", "[e~[", "<TOOLCALL>", "</TOOLCALL>", "<co: 0>", "</co: 0>", "<minimax:tool_call>", "]<]minimax[>[",
    ">>QUESTION<<", "<mask:0>", "[unused17]", "<function=find>", "‹[begin▁of▁sentence]>", "<[begin▁of▁sentence]>",
    "<ｓ>", "﹤s﹥", "[MASK]", "[mask]", "<parameter=name>", "<sentinel:7>", "<TOOL>", "<<SYS>>",
)  # fmt: skip
FRAGMENTS = (
    *CONTROL_TOKENS, "The harbour opens at six. ", "港口早上六点开放。", "Who? ", "\n", "\n\n", "[3]", "【1】",
    "🙂👩\u200d👩\u200d👧", "\x00", "\x1b[31m", "\u202eevil", "\u200b", "عربى ", "<", "[", "]", "![x](http://e.example/?q=1)",
    "<img src=x>", "Assistant: ", "Answer:", "3.5 ", "[1, 2]",
)  # fmt: skip

texts = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=40), min_size=1, max_size=40).map(
    "".join
)


class Library:
    """A searcher that has found these hits already."""

    def __init__(self, *hits: Hit, view_id: str = "view-1") -> None:
        self.hits = hits
        self.view_id = view_id

    def search(self, question: str, principal: Principal, k: int, **_: object) -> SearchResult:
        return SearchResult(
            hits=self.hits[:k], view_id=self.view_id, exactness="exact", mode="hybrid"
        )

    def confirm(
        self, principal: Principal, rows: Iterable[Row] = (), documents: Iterable[str] = ()
    ) -> None:
        """Nobody takes anything away here."""


def hit(
    text: str,
    *,
    n: int = 1,
    document: str = "d1",
    start: int = 0,
    ordinal: int | None = None,
    title: str = "Harbour rules",
    section: tuple[str, ...] = (),
    pages: tuple[PageMark, ...] = (),
) -> Hit:
    return Hit(
        row=Row(n), id=f"p{n}", document_id=document, title=title, path=f"{document}.md", media_type="text/markdown",
        collection="default", language="en", ordinal=n * 10 if ordinal is None else ordinal, text=text, start=start,
        end=start + len(text), section=section, pages=pages, page_kind="page" if pages else None, score=1 / n,
    )  # fmt: skip


def chunked(document: str, text: str, size: int, overlap: int = 0, first: int = 1) -> list[Hit]:
    """A document cut into hits of `size` characters, in reading order."""
    starts = range(0, max(1, len(text)), max(1, size - overlap))
    return [
        hit(
            text[start : start + size],
            n=first + place,
            document=document,
            start=start,
            ordinal=place,
        )
        for place, start in enumerate(starts)
        if text[start : start + size]
    ]


def selected(
    hits: Sequence[Hit], per_document: int = 100
) -> tuple[tuple[Hit, ...], tuple[LeftOut, ...]]:
    """What a search keeps of these hits, best first, and what the reply tells of the others."""
    selection = Selection(len(hits), per_document)
    selection.take(hits)
    left_out = tuple(LeftOut.of(left.hit, left.reason) for left in selection.left_out)
    return selection.kept, left_out


def shown(*hits: Hit, per_document: int = 100) -> tuple[Passage, ...]:
    kept, _ = selected(hits, per_document)
    return pack_passages([Excerpt(hit, len(hit.text)) for hit in kept])


@st.composite
def hit_lists(draw: st.DrawFn, most: int = 12) -> Sequence[Hit]:
    """Hits of a few documents, overlapping or not, best first in any order."""
    hits: list[Hit] = []
    for number in range(draw(st.integers(1, 4))):
        text = draw(texts)
        size = draw(st.integers(1, 400))
        overlap = draw(st.integers(0, min(size - 1, 30)))
        hits += chunked(f"d{number}", text, size, overlap, first=1 + len(hits))[:most]
    return draw(st.permutations(hits))[:most]
