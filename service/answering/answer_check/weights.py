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
        least_strength=0.245,
        order=(
            -0.0,  # one
            4.477,  # words in the sentence
            -0.983,  # words beside it
            -3.515,  # words in the passage
            0.788,  # all words in the passage
            -3.103,  # words missing
            -0.588,  # names in the sentence
            -1.742,  # names missing
            -0.85,  # a name missing
            -1.174,  # a number missing
            -0.877,  # another year
            -1.015,  # only other years
            0.671,  # the asked kind
            -0.671,  # another kind
            -0.406,  # an opposite
            0.043,  # denied
            -1.438,  # not denied
            2.221,  # side by side
            1.618,  # rank
            0.028,  # a fragment
            0.091,  # length
            -0.014,  # after a question
            0.0,  # two characters missing
            0.0,  # more characters missing
            0.0,  # characters missing
            0.0,  # the beginning missing
        ),
        answers=(
            -1.699,  # one
            -2.177,  # words in the sentence
            0.455,  # words beside it
            -1.183,  # words in the passage
            -0.266,  # all words in the passage
            -0.439,  # words missing
            0.055,  # names in the sentence
            0.054,  # names missing
            -1.407,  # a name missing
            -0.36,  # a number missing
            -1.215,  # another year
            -0.438,  # only other years
            -0.4,  # the asked kind
            -0.284,  # another kind
            -1.416,  # an opposite
            -0.106,  # denied
            -2.156,  # not denied
            -0.736,  # side by side
            0.402,  # rank
            0.99,  # a fragment
            -0.844,  # length
            -0.501,  # after a question
            0.0,  # two characters missing
            0.0,  # more characters missing
            0.0,  # characters missing
            0.0,  # the beginning missing
            0.685,  # order
            -1.549,  # names missing everywhere
            2.882,  # words of the question
        ),
    ),
    "zh": Weights(
        least_strength=0.29,
        order=(
            0.0,  # one
            7.645,  # words in the sentence
            -0.558,  # words beside it
            -3.602,  # words in the passage
            0.804,  # all words in the passage
            -3.034,  # words missing
            -0.392,  # names in the sentence
            -1.225,  # names missing
            -1.04,  # a name missing
            -1.96,  # a number missing
            -1.335,  # another year
            -0.901,  # only other years
            0.817,  # the asked kind
            -0.817,  # another kind
            -0.556,  # an opposite
            0.024,  # denied
            -0.934,  # not denied
            -4.692,  # side by side
            2.449,  # rank
            -1.308,  # a fragment
            -1.232,  # length
            -0.006,  # after a question
            -1.453,  # two characters missing
            -0.845,  # more characters missing
            -1.827,  # characters missing
            -1.024,  # the beginning missing
        ),
        answers=(
            -1.764,  # one
            -2.888,  # words in the sentence
            0.756,  # words beside it
            1.462,  # words in the passage
            0.591,  # all words in the passage
            -2.717,  # words missing
            1.349,  # names in the sentence
            -1.696,  # names missing
            -0.594,  # a name missing
            -0.728,  # a number missing
            -0.896,  # another year
            -1.904,  # only other years
            -0.772,  # the asked kind
            -0.454,  # another kind
            -0.106,  # an opposite
            0.121,  # denied
            0.536,  # not denied
            -0.681,  # side by side
            3.103,  # rank
            0.278,  # a fragment
            -0.651,  # length
            0.0,  # after a question
            0.416,  # two characters missing
            -0.989,  # more characters missing
            -1.076,  # characters missing
            -0.386,  # the beginning missing
            0.585,  # order
            0.868,  # names missing everywhere
            1.094,  # words of the question
        ),
    ),
}
