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
        least_strength=0.347,
        order=(
            -0.0,  # one
            4.5,  # words in the sentence
            -0.931,  # words beside it
            -3.432,  # words in the passage
            0.836,  # all words in the passage
            -2.869,  # words missing
            -0.605,  # names in the sentence
            -2.029,  # names missing
            -0.905,  # a name missing
            -1.235,  # a number missing
            -0.865,  # another year
            -1.072,  # only other years
            0.654,  # the asked kind
            -0.654,  # another kind
            -0.394,  # an opposite
            -0.005,  # denied
            -1.444,  # not denied
            2.259,  # side by side
            0.157,  # words in the title
            1.596,  # rank
            0.039,  # a fragment
            0.094,  # length
            -0.015,  # after a question
            0.0,  # two characters missing
            0.0,  # more characters missing
            0.0,  # characters missing
            0.0,  # the beginning missing
        ),
        answers=(
            -1.047,  # one
            -2.856,  # words in the sentence
            0.24,  # words beside it
            -0.901,  # words in the passage
            -0.535,  # all words in the passage
            -1.363,  # words missing
            0.66,  # names in the sentence
            -0.419,  # names missing
            -1.533,  # a name missing
            -0.585,  # a number missing
            -1.296,  # another year
            -0.461,  # only other years
            -0.439,  # the asked kind
            -0.28,  # another kind
            -1.63,  # an opposite
            0.282,  # denied
            -2.211,  # not denied
            -0.648,  # side by side
            -3.559,  # words in the title
            0.818,  # rank
            0.764,  # a fragment
            -0.703,  # length
            -0.48,  # after a question
            0.0,  # two characters missing
            0.0,  # more characters missing
            0.0,  # characters missing
            0.0,  # the beginning missing
            0.637,  # order
            -1.026,  # names missing everywhere
            2.133,  # words of the question
        ),
    ),
    "zh": Weights(
        least_strength=0.29,
        order=(
            0.0,  # one
            7.628,  # words in the sentence
            -0.639,  # words beside it
            -3.703,  # words in the passage
            0.667,  # all words in the passage
            -2.943,  # words missing
            -0.391,  # names in the sentence
            -1.223,  # names missing
            -1.034,  # a name missing
            -1.835,  # a number missing
            -1.299,  # another year
            -0.894,  # only other years
            0.819,  # the asked kind
            -0.819,  # another kind
            -0.555,  # an opposite
            0.042,  # denied
            -0.919,  # not denied
            -4.774,  # side by side
            2.901,  # words in the title
            2.214,  # rank
            -1.304,  # a fragment
            -1.262,  # length
            -0.002,  # after a question
            -1.25,  # two characters missing
            -0.867,  # more characters missing
            -1.847,  # characters missing
            -0.847,  # the beginning missing
        ),
        answers=(
            -1.31,  # one
            -2.26,  # words in the sentence
            0.975,  # words beside it
            1.309,  # words in the passage
            0.9,  # all words in the passage
            -2.961,  # words missing
            1.177,  # names in the sentence
            -2.036,  # names missing
            -0.976,  # a name missing
            -1.026,  # a number missing
            -0.967,  # another year
            -2.095,  # only other years
            -0.674,  # the asked kind
            -0.506,  # another kind
            -0.061,  # an opposite
            -0.153,  # denied
            0.227,  # not denied
            -0.482,  # side by side
            -2.952,  # words in the title
            3.442,  # rank
            0.1,  # a fragment
            -0.982,  # length
            0.0,  # after a question
            0.189,  # two characters missing
            -1.041,  # more characters missing
            -1.258,  # characters missing
            -0.829,  # the beginning missing
            0.496,  # order
            0.964,  # names missing everywhere
            0.863,  # words of the question
        ),
    ),
}
