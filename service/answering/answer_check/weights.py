"""The weights of the check, and how strong the least answer must be.

Chosen on the dev halves of three sets by `python -m bench.answers fit`, which writes the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from indexes.text.scripts import Script


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """For questions in one language. Each number belongs to the feature of the same place."""

    order: tuple[float, ...]  # of a sentence among the others
    answers: tuple[float, ...]  # of the question as a whole
    least_strength: float  # below it, nothing is quoted
    scorer: float = 0.5  # of what a trained scorer says


WEIGHTS: Mapping[Script, Weights] = {
    "en": Weights(
        least_strength=0.29,
        order=(
            0.0,  # one
            3.284,  # words in the sentence
            -0.204,  # words beside it
            -2.895,  # words in the passage
            0.702,  # all words in the passage
            -3.169,  # words missing
            2.05,  # words beyond the title in the sentence
            -0.951,  # words beyond the title in the passage
            -0.517,  # names in the sentence
            -1.73,  # names missing
            -0.849,  # a name missing
            -1.175,  # a number missing
            -0.881,  # another year
            -1.013,  # only other years
            0.832,  # the asked kind
            -0.832,  # another kind
            -0.391,  # an opposite
            -0.002,  # denied
            -1.454,  # not denied
            2.244,  # side by side
            1.617,  # rank
            0.01,  # a fragment
            0.034,  # length
            -0.013,  # after a question
            0.0,  # two characters missing
            0.0,  # more characters missing
            0.0,  # characters missing
            0.0,  # the beginning missing
        ),
        answers=(
            -0.724,  # one
            -4.467,  # words in the sentence
            -0.414,  # words beside it
            -2.684,  # words in the passage
            -0.553,  # all words in the passage
            -1.787,  # words missing
            2.803,  # words beyond the title in the sentence
            1.232,  # words beyond the title in the passage
            0.518,  # names in the sentence
            -0.37,  # names missing
            -1.552,  # a name missing
            -0.824,  # a number missing
            -1.369,  # another year
            -0.784,  # only other years
            -0.254,  # the asked kind
            -1.016,  # another kind
            -1.459,  # an opposite
            0.048,  # denied
            -2.496,  # not denied
            -0.29,  # side by side
            0.0,  # rank
            0.217,  # a fragment
            -0.494,  # length
            -0.419,  # after a question
            0.0,  # two characters missing
            0.0,  # more characters missing
            0.0,  # characters missing
            0.0,  # the beginning missing
            0.348,  # order
            -1.5,  # names missing everywhere
            1.929,  # words of the question
        ),
    ),
    "zh": Weights(
        least_strength=0.242,
        order=(
            0.0,  # one
            4.201,  # words in the sentence
            0.732,  # words beside it
            -2.099,  # words in the passage
            0.206,  # all words in the passage
            -2.375,  # words missing
            5.75,  # words beyond the title in the sentence
            -1.757,  # words beyond the title in the passage
            0.127,  # names in the sentence
            -1.067,  # names missing
            -0.957,  # a name missing
            -1.677,  # a number missing
            -0.996,  # another year
            -0.972,  # only other years
            0.731,  # the asked kind
            -0.731,  # another kind
            -0.584,  # an opposite
            0.159,  # denied
            -0.932,  # not denied
            -2.477,  # side by side
            2.603,  # rank
            -0.933,  # a fragment
            -1.126,  # length
            -0.004,  # after a question
            -1.606,  # two characters missing
            -0.792,  # more characters missing
            -1.651,  # characters missing
            -1.173,  # the beginning missing
        ),
        answers=(
            -0.007,  # one
            -3.001,  # words in the sentence
            0.238,  # words beside it
            1.674,  # words in the passage
            0.035,  # all words in the passage
            -2.079,  # words missing
            -1.641,  # words beyond the title in the sentence
            0.759,  # words beyond the title in the passage
            1.359,  # names in the sentence
            -1.591,  # names missing
            -0.316,  # a name missing
            -0.571,  # a number missing
            -0.944,  # another year
            -1.802,  # only other years
            -0.685,  # the asked kind
            -0.503,  # another kind
            -0.156,  # an opposite
            -0.244,  # denied
            0.494,  # not denied
            -0.395,  # side by side
            0.0,  # rank
            0.26,  # a fragment
            -0.904,  # length
            0.0,  # after a question
            0.845,  # two characters missing
            -0.654,  # more characters missing
            -1.162,  # characters missing
            -0.522,  # the beginning missing
            0.751,  # order
            0.609,  # names missing everywhere
            0.815,  # words of the question
        ),
    ),
}
