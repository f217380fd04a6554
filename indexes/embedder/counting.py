"""Counting tokens without a model: what cutting a text takes, in whatever process it happens."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class TokenizerCounter:
    """A TokenCounter on a tokenizer alone."""

    def __init__(self, tokenizer: "Tokenizer", max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens, and without cutting."""
        return count_tokens(self._tokenizer, texts)


def count_tokens(tokenizer: "Tokenizer", texts: Sequence[str]) -> list[int]:
    """Tokens of each text, without special tokens, and without cutting."""
    if not texts:
        return []
    encoded = tokenizer.encode_batch_fast(
        [drop_surrogates(text) for text in texts], add_special_tokens=False
    )
    return [len(tokens) for tokens in encoded]


def make_counter(data: bytes, max_tokens: int) -> TokenizerCounter:
    """data: a tokenizer as JSON."""
    from tokenizers import Tokenizer

    return TokenizerCounter(Tokenizer.from_buffer(data), max_tokens)


def drop_surrogates(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON can carry and no tokenizer reads."""
    return text.encode("utf-8", "replace").decode("utf-8")
