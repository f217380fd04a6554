"""What converting a model takes, whatever runs the result: which models can be traced, the traced
graph, the facts beside it, and the proof that the result still computes what the original does.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from indexes.embedder.folders import ModelFolder
from indexes.embedder.pytorch import facts_of, load_model, tokenizer_of
from indexes.embedder.sentences import ModelFacts
from indexes.errors import BadConfiguration

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

ARCHITECTURES = frozenset({"bert", "camembert", "roberta", "xlm-roberta"})
LEAST_COSINE = 0.99
"""Between a vector of the converted model and the original's, on the samples.

Below, converting has broken the model.
"""
SAMPLES = (
    "The canteen opens at half past eleven.",
    "Employees may carry over at most five days of leave into the next calendar year; the rest expires on 31 March.",
    "员工每年最多可以将五天年假结转到下一年。",
    "def area(radius):\n    return 3.14159 * radius**2",
)
INPUTS = ("input_ids", "attention_mask")
FACTS, TOKENIZER = "facts.json", "tokenizer.json"
USE_TORCH = "Set CLEARANCE_EMBEDDING_BACKEND=torch."


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A model as it was published, loaded to be converted."""

    model: "SentenceTransformer"
    tokenizer: Tokenizer
    facts: ModelFacts
    vectors: NDArray[np.float64]  # of the samples, at length one

    def graph(self) -> "torch.nn.Module":
        """From ids and mask, shape (texts, tokens), to vectors: what is traced."""
        import torch

        class Graph(torch.nn.Module):
            def __init__(self, model: torch.nn.Module) -> None:
                super().__init__()
                self.model = model

            def forward(
                self, input_ids: torch.Tensor, attention_mask: torch.Tensor
            ) -> torch.Tensor:
                features = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
                found: torch.Tensor = features["sentence_embedding"]
                return found

        return Graph(self.model).eval()

    def sample_inputs(self) -> dict[str, "torch.Tensor"]:
        """Two texts of different lengths, to trace with."""
        inputs = self.model.tokenizer(
            [SAMPLES[0], SAMPLES[1]],
            padding=True,
            truncation=True,
            max_length=self.model.max_seq_length,
            return_tensors="pt",
        )
        return {name: inputs[name] for name in INPUTS}


def may_be_converted(path: Path) -> bool:
    """Whether the model's folder names a kind that can be converted. Loads nothing."""
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") in ARCHITECTURES


def load_original(folder: ModelFolder, recipe: str) -> Original:
    """Raises BadConfiguration when the traced graph would not compute as the original does."""
    model = load_model(folder.path, device="cpu", attn_implementation="eager")
    _check_kind(model, folder.name)
    vectors = [model.encode(sample, prompt="", show_progress_bar=False) for sample in SAMPLES]
    return Original(
        model=model,
        tokenizer=tokenizer_of(model),
        facts=facts_of(model, folder.identity_with(recipe)),
        vectors=_to_unit_length(np.asarray(vectors)),
    )


def write_companions(original: Original, empty: Path) -> None:
    """The facts and the tokenizer, which running takes beside the graph."""
    facts = {name: getattr(original.facts, name) for name in original.facts.__slots__}
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    (empty / FACTS).write_text(text + "\n", encoding="utf-8")
    original.tokenizer.save(str(empty / TOKENIZER))


def read_facts(folder: Path) -> ModelFacts:
    facts: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return ModelFacts(**facts)


class TokenIds:
    """The ids of one text as a model takes them, cut to what it reads. Safe to share."""

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        self.tokenizer = tokenizer
        self._room = max_length - tokenizer.num_special_tokens_to_add(False)

    def of(self, text: str) -> NDArray[np.int64]:
        """Shape (1, tokens)."""
        tokens = self.tokenizer.encode(text, add_special_tokens=False)
        tokens.truncate(self._room)
        return np.array([self.tokenizer.post_process(tokens).ids], np.int64)


def check_survived(
    vectors: Callable[[Sequence[str]], NDArray[np.float32]],
    expected: NDArray[np.float64],
    name: str,
) -> None:
    """Raises BadConfiguration if the converted model's vectors of the samples are far from the
    original's.
    """
    least = float(np.min(np.sum(_to_unit_length(vectors(SAMPLES)) * expected, axis=1)))
    if not least >= LEAST_COSINE:
        raise BadConfiguration(
            f"{name} loses too much with 8-bit weights: cosine {least:.3f} to the original.",
            remedy=USE_TORCH,
        )


def _check_kind(model: "SentenceTransformer", name: str) -> None:
    """Refuses what the traced graph would not compute as the original does."""
    kinds = [type(module).__name__ for module in model]
    architecture = getattr(getattr(model[0], "auto_model", None), "config", None)
    known = getattr(architecture, "model_type", None) in ARCHITECTURES
    if (
        not known
        or kinds[:2] != ["Transformer", "Pooling"]
        or not set(kinds[2:]) <= {"Normalize", "Dense"}
    ):
        raise BadConfiguration(
            f"{name} is not a model of the BERT family with plain pooling, so it cannot be converted here.",
            remedy=USE_TORCH,
        )


def _to_unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    unit: NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit
