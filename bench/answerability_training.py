"""Trains the answer scorer from the half of the sets that was set apart for it.

    python -m bench.answerability_training --model FOLDER --out FILE.safetensors [--layers 8] [--epochs 1]

The folder of the model is that of `python -m indexes.weights multilingual-e5-small --out FOLDER`. Seeds
are fixed; on the same processor with as many threads the same numbers come out.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.nn import functional

from bench.answerability_cloze import Practice
from bench.answerability_model import save_trained, start_from
from bench.answerability_pairs import SETS, Drawing, Material, Pair, forbidden_texts
from indexes.embedder.answer_model import AnswerModel

MOST_TOKENS, QUESTION_TOKENS = 224, 64
BATCH = 16
RATE, HEAD_RATE, WARM_UP = 1.2e-4, 1e-3, 0.08
SPAN_WEIGHT = 0.5
POSITIVE_WEIGHT = 1.5
FROZEN = 4  # of the layers, the lowest
PAIRS = 12_500  # about so many in an epoch

Item = tuple[list[int], list[int], float, int, int]
"""Ids, types, whether it answers, first and last token of the answer."""


class Encoding:
    """Pairs as the model reads them."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.bos = self.tokenizer.token_to_id("<s>")
        self.eos = self.tokenizer.token_to_id("</s>")

    def items(self, pairs: Sequence[Pair]) -> list[Item]:
        questions = self.tokenizer.encode_batch(
            [p.question for p in pairs], add_special_tokens=False
        )
        texts = self.tokenizer.encode_batch([p.text for p in pairs], add_special_tokens=False)
        found: list[Item] = []
        for pair, asked, told in zip(pairs, questions, texts, strict=True):
            head = [self.bos, *asked.ids[:QUESTION_TOKENS], self.eos, self.eos]
            room = MOST_TOKENS - len(head) - 1
            ids = [*head, *told.ids[:room], self.eos]
            types = [0] * len(head) + [1] * (len(ids) - len(head))
            first = last = 0
            if pair.answer is not None:
                places = [
                    n for n, (a, b) in enumerate(told.offsets[:room])
                    if a < pair.answer[1] and b > pair.answer[0]
                ]  # fmt: skip
                if not places:
                    continue
                first, last = len(head) + places[0], len(head) + places[-1]
            found.append((ids, types, float(pair.answer is not None), first, last))
        return found


def batches(items: Sequence[Item], draw: random.Random, size: int) -> Iterator[list[Item]]:
    """Of like length, in any order."""
    order = sorted(range(len(items)), key=lambda n: len(items[n][0]) + draw.random() * 12)
    groups = [order[n : n + size] for n in range(0, len(order), size)]
    draw.shuffle(groups)
    for group in groups:
        yield [items[n] for n in group]


def tensors(batch: Sequence[Item]) -> tuple[torch.Tensor, ...]:
    longest = max(len(item[0]) for item in batch)
    ids = torch.ones((len(batch), longest), dtype=torch.long)  # 1: <pad>
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for n, (tokens, kinds, *_) in enumerate(batch):
        ids[n, : len(tokens)] = torch.tensor(tokens)
        types[n, : len(tokens)] = torch.tensor(kinds)
        mask[n, : len(tokens)] = 1
    return ids, mask, types


def loss_of(model: AnswerModel, batch: Sequence[Item]) -> torch.Tensor:
    ids, mask, types = tensors(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        verdict, span = model(ids, mask, types)
    verdict, span = verdict.float(), span.float()
    labels = torch.tensor([item[2] for item in batch])
    judged = functional.binary_cross_entropy_with_logits(
        verdict, labels, pos_weight=torch.tensor(POSITIVE_WEIGHT)
    )
    allowed = (types == 1) & (mask == 1)
    allowed[:, 0] = True
    span = span.masked_fill(~allowed.unsqueeze(-1), -1e4)
    first = functional.cross_entropy(span[..., 0], torch.tensor([item[3] for item in batch]))
    last = functional.cross_entropy(span[..., 1], torch.tensor([item[4] for item in batch]))
    return judged + SPAN_WEIGHT * (first + last) / 2


def train(model: AnswerModel, folder: Path, given: argparse.Namespace) -> None:
    materials = [Material(name) for name in SETS]
    forbidden = forbidden_texts(materials)
    drawings = [Drawing(material, forbidden) for material in materials]
    practices = [Practice(material) for material in materials]
    encoding = Encoding(folder)
    draw = random.Random(given.seed)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = depth_of(name) >= given.frozen
    heads = [p for n, p in model.named_parameters() if n.startswith(("verdict", "span"))]
    layers = [p for n, p in model.named_parameters() if n.startswith("encoder") and p.requires_grad]
    groups = [{"params": layers, "lr": RATE}, {"params": heads, "lr": HEAD_RATE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    step, steps = 0, 0
    begun = time.time()
    model.train()
    for epoch in range(given.epochs + bool(given.practice)):
        practising = bool(given.practice) and epoch == 0
        share = given.practice // 3 if practising else given.practice // 15
        pairs = [pair for practice in practices for pair in practice.pairs(draw, share)]
        if not practising:
            pairs += [pair for drawing in drawings for pair in drawing.pairs(draw)]
        items = encoding.items(pairs)
        steps = steps or given.epochs * PAIRS // BATCH + len(items) // BATCH
        print(f"epoch {epoch}: {len(items)} pairs", flush=True)
        total = 0.0
        for batch in batches(items, draw, BATCH):
            share = step / steps
            scale = min(share / WARM_UP, (1 - share) / (1 - WARM_UP))
            for group, rate in zip(optimizer.param_groups, (RATE, HEAD_RATE), strict=True):
                group["lr"] = max(0.0, scale) * rate
            loss = loss_of(model, batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(layers + heads, 1.0)
            optimizer.step()
            step += 1
            total += loss.item()
            if step % 20 == 0:
                print(
                    f"{epoch} {step}/{steps} loss {total / 20:.3f} {time.time() - begun:.0f} s",
                    flush=True,
                )
                total = 0.0
        save_trained(model, given.out)


def depth_of(name: str) -> int:
    """In which layer a weight stands: the vectors of words are in none, the heads above all."""
    if not name.startswith("encoder."):
        return 1000
    return int(name.split(".")[3]) if name.startswith("encoder.encoder.layer.") else -1


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--frozen", type=int, default=FROZEN)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--practice", type=int, default=3_000, help="pairs made from sentences")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=14)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    print(json.dumps({k: str(v) for k, v in vars(given).items()}))
    train(start_from(given.model, given.layers), given.model, given)


if __name__ == "__main__":
    main()
