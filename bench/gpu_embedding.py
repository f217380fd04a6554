"""How fast a model embeds passages through the product, and by itself."""

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from bench.embedding import join_to
from indexes import settings as configuration
from indexes.embedder import Embedder, load
from indexes.embedder.folders import locate_model
from indexes.embedder.pytorch import load_model
from indexes.settings import Settings
from ingest.steps.embed import BATCH_TOKENS

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = 20


def measure_embedding(
    name: str, passages: int, rounds: int, batch_tokens: int, *, half: bool
) -> dict[str, Any]:
    """Passages and tokens a second of each side, medians over the rounds, and a question's ms."""
    settings = configuration.load().model_copy(
        update={"embedding_model": name, "embedding_backend": "torch"}
    )
    embedder = load(settings, print)
    model = load_alone(settings, half)
    texts = make_passages(embedder, passages, settings.chunk_tokens)
    counts = embedder.count(texts)
    tokens = sum(counts)
    prefixed = [f"{getattr(embedder, 'passage_prefix', '')}{text}" for text in texts]
    batches = make_batches(prefixed, counts, batch_tokens)
    sides: dict[str, Callable[[], object]] = {
        "product": lambda: embed_as_ingestion(embedder, texts, settings.chunk_tokens),
        "batched": lambda: embed_batches(model, batches),
        "limit": prepare_forward(model, batches),
    }
    found = {"model": name, "passages": len(texts), "tokens": tokens, "half_precision": half}
    found |= {"dimension": embedder.dimension, "question_ms": time_questions(embedder)}
    print_head(found)
    seconds = time_in_turns(sides, rounds)
    limit = statistics.median(seconds["limit"])
    for side, taken in seconds.items():
        median = statistics.median(taken)
        found[side] = {
            "passages_per_second": round(len(texts) / median, 1),
            "tokens_per_second": round(tokens / median),
            "of_limit": round(limit / median, 3),
        }
        print_side(side, found[side])
    return found


def load_alone(settings: Settings, half: bool) -> "SentenceTransformer":
    """The model without anything of the product around it."""
    folder = locate_model(settings.embedding_model, settings.home.absolute() / "models", print)
    model = load_model(folder.path)
    return model.half() if half else model


def make_passages(embedder: Embedder, number: int, tokens: int) -> list[str]:
    """Paragraphs of this project's documents joined until they are as long as ingestion cuts them,
    from the beginning again if there are too few.
    """
    pages = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
    paragraphs = [part for page in pages for part in page.read_text("utf-8").split("\n\n")]
    fitting = [text for text in paragraphs if embedder.count([text])[0] <= tokens]
    return list(islice(cycle(join_to(fitting, tokens, embedder)), number))


def make_batches(texts: Sequence[str], counts: Sequence[int], most: int) -> list[list[str]]:
    """Texts of similar length together, longest first, so many tokens at most with their padding."""
    batches: list[list[str]] = []
    longest = 0
    for place in sorted(range(len(texts)), key=lambda i: -counts[i]):
        if not batches or (len(batches[-1]) + 1) * longest > most:
            batches.append([])
            longest = counts[place]
        batches[-1].append(texts[place])
    return batches


def embed_as_ingestion(embedder: Embedder, texts: Sequence[str], chunk_tokens: int) -> None:
    """Longest first, in calls as large as the step `embed` makes them."""
    order = sorted(texts, key=len, reverse=True)
    batch = max(1, BATCH_TOKENS // chunk_tokens)
    for start in range(0, len(order), batch):
        embedder.passages(order[start : start + batch])


def embed_batches(model: "SentenceTransformer", batches: Sequence[Sequence[str]]) -> None:
    for batch in batches:
        model.encode(list(batch), prompt="", batch_size=len(batch), show_progress_bar=False)


def prepare_forward(
    model: "SentenceTransformer", batches: Sequence[Sequence[str]]
) -> Callable[[], None]:
    """The layers alone: neither cutting into tokens nor pooling nor copies to and fro are timed."""
    inputs = [
        model.tokenizer(
            list(batch),
            padding=True,
            truncation=True,
            max_length=model.max_seq_length,
            return_tensors="pt",
        ).to(model.device)
        for batch in batches
    ]

    def forward() -> None:
        with torch.inference_mode():
            for each in inputs:
                model[0].auto_model(**each)
        wait_for_device()

    return forward


def wait_for_device() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def time_in_turns(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            begun = time.perf_counter()
            side()
            wait_for_device()
            if number or rounds == 1:  # the first round warms up, unless there is only one to spare
                seconds[name].append(time.perf_counter() - begun)
        if rounds == 1:
            break
    return seconds


def time_questions(embedder: Embedder) -> float:
    times = []
    for number in range(QUESTIONS):
        begun = time.perf_counter()
        embedder.query(f"When do salaries rise in the year {2000 + number}?")
        times.append(1e3 * (time.perf_counter() - begun))
    return round(statistics.median(times), 2)


def print_head(found: dict[str, Any]) -> None:
    mean = found["tokens"] / found["passages"]
    precision = "half" if found["half_precision"] else "single"
    print(
        f"{found['model']}: {found['passages']:,} passages of {mean:.0f} tokens; `batched` and `limit`"
        f" in {precision} precision; a question takes {found['question_ms']} ms"
    )


def print_side(side: str, found: dict[str, float]) -> None:
    print(
        f"  {side:<8} {found['passages_per_second']:>10,.1f} passages/s"
        f" {found['tokens_per_second']:>12,} tokens/s   {found['of_limit']:.2f} of the limit",
        flush=True,
    )
