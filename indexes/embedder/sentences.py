"""The embedder for Sentence Transformers models, whatever runs them."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from indexes.embedder import CounterRecipe
from indexes.embedder.counting import count_tokens, drop_surrogates
from indexes.errors import BadConfiguration

DOCUMENT_PROMPTS = ("document", "passage", "corpus")
"""Under which of these names a model keeps its passage prompt differs; the first one that is there
counts.
"""

E5_NAME = re.compile(r"(^|/)(multilingual-)?e5-(small|base|large)(-v2)?/?$")
"""Models that need these prefixes and whose published folders do not name them."""
E5_PROMPTS = {"query": "query: ", "document": "passage: "}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a backend knows of its model."""

    identity: str  # of the weights and of how they are computed with
    dimension: int
    max_length: int  # tokens, special ones included
    prompts: Mapping[str, str]


class Backend(Protocol):
    """Runs one model."""

    @property
    def facts(self) -> ModelFacts: ...

    @property
    def tokenizer(self) -> Tokenizer:
        """Neither cuts nor pads."""
        ...

    @property
    def batch_size(self) -> int:
        """Texts to hand over at a time."""
        ...

    def vectors(self, texts: Sequence[str], *, urgent: bool = False) -> NDArray[np.float32]:
        """One vector per text, of any length, not checked. Safe to call from several threads.

        urgent: somebody waits for it, so it goes before other texts that have not begun.
        """
        ...


class SentenceTransformerEmbedder:
    """An Embedder on a backend.

    On a CPU every text is computed alone, so that a passage's vector is the same bytes whatever is
    embedded beside it. On a GPU passages go in batches of similar length, and neighbours may change
    the last bits (about 1e-7); a question is alone there too.
    """

    def __init__(
        self,
        name: str,
        backend: Backend,
        *,
        query_prefix: str | None = None,
        passage_prefix: str | None = None,
    ) -> None:
        facts = backend.facts
        self.name = name
        self.backend = backend
        self.dimension = facts.dimension
        self.query_prefix, self.passage_prefix = prefixes_of(
            name, facts, query_prefix, passage_prefix
        )
        self.max_tokens = self._tokens_left(facts.max_length)
        self.fingerprint = fingerprint_of(facts, self.query_prefix, self.passage_prefix)

    def query(self, text: str) -> NDArray[np.float32]:
        unit: NDArray[np.float32] = self._to_unit_length(
            self.backend.vectors([self.query_prefix + drop_surrogates(text)], urgent=True)
        )[0]
        return unit

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        found = np.empty((len(texts), self.dimension), np.float32)
        prefixed = [self.passage_prefix + drop_surrogates(text) for text in texts]
        size = self.backend.batch_size
        order = (
            sorted(range(len(texts)), key=lambda i: len(prefixed[i]))
            if size > 1
            else list(range(len(texts)))
        )
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            found[batch] = self._to_unit_length(self.backend.vectors([prefixed[i] for i in batch]))
        return found

    def count(self, texts: Sequence[str]) -> list[int]:
        return count_tokens(self.backend.tokenizer, texts)

    def counter_recipe(self) -> CounterRecipe:
        data = self.backend.tokenizer.to_str().encode()
        return CounterRecipe("indexes.embedder.counting:make_counter", data, self.max_tokens)

    def _tokens_left(self, max_length: int) -> int:
        specials = self.backend.tokenizer.num_special_tokens_to_add(False)
        room = max_length - specials - max(self.count([self.query_prefix, self.passage_prefix]))
        if room < 1:
            raise BadConfiguration(
                f"{self.name} reads {max_length} tokens, and the prefix leaves no room for text.",
                remedy="Shorten embedding_query_prefix and embedding_passage_prefix.",
            )
        return room

    def _to_unit_length(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vectors at length one.

        Raises BadConfiguration when a model gives what has no direction.
        """
        wide = vectors.astype(np.float64)
        lengths = np.linalg.norm(wide, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths) & (lengths > 0)):
            raise BadConfiguration(
                f"The embedding model {self.name} gave a vector that is not a number, or zero.",
                remedy="Use another model, or CLEARANCE_EMBEDDING_BACKEND=torch.",
            )
        unit: NDArray[np.float32] = (wide / lengths).astype(np.float32)
        return unit


def prefixes_of(
    name: str, facts: ModelFacts, query: str | None = None, passage: str | None = None
) -> tuple[str, str]:
    """What is put before a question and before a passage: as given, or as the model wants it."""
    told = any(facts.prompts.values())
    prompts = facts.prompts if told else E5_PROMPTS if E5_NAME.search(name) else {}
    document = next((prompts[key] for key in DOCUMENT_PROMPTS if key in prompts), "")
    return (
        prompts.get("query", "") if query is None else query,
        document if passage is None else passage,
    )


def fingerprint_of(facts: ModelFacts, query_prefix: str, passage_prefix: str) -> str:
    """See Embedder.fingerprint."""
    decisive = [
        facts.identity,
        facts.dimension,
        facts.max_length,
        query_prefix,
        passage_prefix,
        "unit length",
    ]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()
