"""Where the context window went: the ledger that adds up."""

from dataclasses import dataclass
from typing import Literal

Reason = Literal["duplicate", "document_cap", "budget", "cut"]


@dataclass(frozen=True, slots=True)
class Share:
    """Tokens that one passage takes in the prompt."""

    n: int
    tokens: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A hit that the model did not see, or not all of it."""

    passage_id: str  # public id of the hit
    document_id: str
    reason: Reason
    characters: int  # how much of it was left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The ledger. `window == answer + template + question + history + sum(passages) + unused`, to the token.

    The whole prompt is counted exactly by the served model's tokenizer; its parts share that count in proportion
    to an estimate, because tokens of parts do not add up to the tokens of the whole.
    """

    window: int | None  # of the model; None: no model was asked, nothing had to fit
    answer: int  # reserved for the answer
    template: int
    question: int
    history: int
    passages: tuple[Share, ...]
    unused: int
    left_out: tuple[LeftOut, ...]
    dropped_turns: int = 0  # of the history, oldest first

    @property
    def prompt_tokens(self) -> int:
        return self.template + self.question + self.history + sum(share.tokens for share in self.passages)
