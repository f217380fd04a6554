"""Whether a model has begun to say the same again and again: small ones often come to no end."""

from collections import Counter

from indexes.text.folding import letters_and_digits
from indexes.text.scripts import IDEOGRAPH
from indexes.text.sentences import ENDS, ENDS_BEFORE_SPACE

LONGEST_UNIT = 80  # characters of what is repeated at once
TIMES = 4  # at once, for it to be a loop
LEAST_CHARACTERS = 12  # of all the repetitions together
DIGITS = 24  # times, for digits and for what stands in a table: 10000000
SIGNS = 200  # times, for signs: lines are drawn with them
SAME_SENTENCE = 3  # times, also with others between them
SHORTEST_SENTENCE = 8  # letters; half of it in Chinese. Shorter ones, `No.`, may come back

_STOPS = frozenset(f"{ENDS_BEFORE_SPACE}{ENDS}\n")


class RepetitionWatch:
    """Follows one answer, character by character: where it was divided does not matter."""

    def __init__(self) -> None:
        self.is_loop = False
        self._text = ""
        self._line = 0  # where the last line begins
        self._sentence = 0  # where the last sentence begins
        self._said: Counter[str] = Counter()

    def take(self, text: str) -> str:
        """As much of the next stretch as is no loop; nothing more once one has been seen."""
        taken = 0
        while taken < len(text) and not self.is_loop:
            self._text += text[taken]
            taken += 1
            self.is_loop = self._ends_with_loop() or self._repeats_sentence()
        return text[:taken]

    def _ends_with_loop(self) -> bool:
        text = self._text
        if text[-1] == "\n":
            self._line = len(text)
        in_table = text.startswith("|", self._line)
        for size in range(1, min(LONGEST_UNIT, len(text) // TIMES) + 1):
            unit = text[-size:]
            if text[-2 * size : -size] != unit:
                continue
            times = max(_least_times(unit, in_table=in_table), -(-LEAST_CHARACTERS // size))
            if text.endswith(unit * times):
                return True
        return False

    def _repeats_sentence(self) -> bool:
        if self._text[-1] not in _STOPS:
            return False
        said = letters_and_digits(self._text[self._sentence :])
        self._sentence = len(self._text)
        shortest = SHORTEST_SENTENCE // 2 if IDEOGRAPH.search(said) else SHORTEST_SENTENCE
        if len(said) < shortest:
            return False
        self._said[said] += 1
        return self._said[said] >= SAME_SENTENCE


def _least_times(unit: str, *, in_table: bool) -> int:
    """How often it must stand there to be a loop: lines of signs and long numbers repeat themselves
    in good answers, too.
    """
    if not any(map(str.isalnum, unit)):
        return SIGNS
    if in_table or unit.isdigit():
        return DIGITS
    return TIMES
