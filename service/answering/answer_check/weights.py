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
    # the same two if a scorer has read the best sentence; what it says comes last
    scored: tuple[float, ...]
    least_scored: float


WEIGHTS: Mapping[Script, Weights] = {
    "en": Weights(
        least_strength=0.279,
        least_scored=0.368,
        order=(
            0.0,  # one
            3.09,  # words in the sentence
            1.851,  # words beside it
            0.0,  # words in the passage
            0.285,  # all words in the passage
            -1.506,  # words missing
            1.947,  # words beyond the title in the sentence
            0.0,  # words beyond the title in the passage
            0.0,  # names in the sentence
            -1.534,  # names missing
            -0.732,  # a name missing
            -1.114,  # a number missing
            -0.937,  # another year
            -1.045,  # only other years
            0.849,  # the asked kind
            -0.849,  # another kind
            -0.403,  # an opposite
            0.004,  # denied
            -1.482,  # not denied
            2.3,  # side by side
            1.373,  # rank
            0.011,  # a fragment
            -0.035,  # length
            -0.008,  # after a question
            0.0,  # two characters missing
            0.0,  # more characters missing
            0.0,  # characters missing
            0.0,  # the beginning missing
        ),
        answers=(
            -2.665,  # one
            0.0,  # words in the sentence
            0.0,  # words beside it
            0.0,  # words in the passage
            0.0,  # all words in the passage
            0.0,  # words missing
            2.5,  # words beyond the title in the sentence
            0.808,  # words beyond the title in the passage
            0.188,  # names in the sentence
            -0.924,  # names missing
            -1.367,  # a name missing
            -1.198,  # a number missing
            -1.693,  # another year
            -0.877,  # only other years
            0.056,  # the asked kind
            -1.117,  # another kind
            -1.919,  # an opposite
            -0.383,  # denied
            -2.738,  # not denied
            0.0,  # side by side
            0.0,  # rank
            0.357,  # a fragment
            0.133,  # length
            -0.274,  # after a question
            0.0,  # two characters missing
            0.0,  # more characters missing
            0.0,  # characters missing
            0.0,  # the beginning missing
            0.0,  # order
            -1.391,  # names missing everywhere
            2.852,  # words that are held
        ),
        scored=(
            -0.852,  # one
            0.0,  # words in the sentence
            0.0,  # words beside it
            0.073,  # words in the passage
            0.0,  # all words in the passage
            -0.868,  # words missing
            0.0,  # words beyond the title in the sentence
            0.387,  # words beyond the title in the passage
            0.0,  # names in the sentence
            -1.645,  # names missing
            -1.422,  # a name missing
            -1.158,  # a number missing
            -0.703,  # another year
            -1.405,  # only other years
            0.388,  # the asked kind
            0.465,  # another kind
            -2.266,  # an opposite
            -0.034,  # denied
            -1.91,  # not denied
            0.0,  # side by side
            0.0,  # rank
            0.299,  # a fragment
            0.868,  # length
            0.212,  # after a question
            0.0,  # two characters missing
            0.0,  # more characters missing
            0.0,  # characters missing
            0.0,  # the beginning missing
            0.0,  # order
            -1.294,  # names missing everywhere
            1.398,  # words that are held
            0.858,  # scorer
        ),
    ),
    "zh": Weights(
        least_strength=0.189,
        least_scored=0.254,
        order=(
            0.0,  # one
            1.392,  # words in the sentence
            3.107,  # words beside it
            0.839,  # words in the passage
            0.0,  # all words in the passage
            -1.06,  # words missing
            5.712,  # words beyond the title in the sentence
            0.0,  # words beyond the title in the passage
            0.325,  # names in the sentence
            -1.091,  # names missing
            -0.978,  # a name missing
            -0.843,  # a number missing
            -0.622,  # another year
            -0.96,  # only other years
            0.757,  # the asked kind
            -0.757,  # another kind
            -0.57,  # an opposite
            0.288,  # denied
            -1.118,  # not denied
            0.0,  # side by side
            2.508,  # rank
            -0.898,  # a fragment
            -1.09,  # length
            -0.005,  # after a question
            -1.124,  # two characters missing
            -0.98,  # more characters missing
            -0.929,  # characters missing
            -1.229,  # the beginning missing
        ),
        answers=(
            -0.017,  # one
            0.0,  # words in the sentence
            0.0,  # words beside it
            0.0,  # words in the passage
            0.08,  # all words in the passage
            -1.075,  # words missing
            0.0,  # words beyond the title in the sentence
            1.198,  # words beyond the title in the passage
            1.152,  # names in the sentence
            -2.153,  # names missing
            -1.165,  # a name missing
            -1.178,  # a number missing
            -1.33,  # another year
            -2.842,  # only other years
            -0.231,  # the asked kind
            -0.6,  # another kind
            -0.153,  # an opposite
            -0.234,  # denied
            -0.009,  # not denied
            0.0,  # side by side
            0.0,  # rank
            0.424,  # a fragment
            -1.284,  # length
            0.0,  # after a question
            -0.443,  # two characters missing
            -1.402,  # more characters missing
            -1.996,  # characters missing
            -1.285,  # the beginning missing
            0.051,  # order
            0.0,  # names missing everywhere
            1.84,  # words that are held
        ),
        scored=(
            1.333,  # one
            0.0,  # words in the sentence
            0.0,  # words beside it
            0.0,  # words in the passage
            0.38,  # all words in the passage
            0.0,  # words missing
            0.0,  # words beyond the title in the sentence
            0.08,  # words beyond the title in the passage
            0.0,  # names in the sentence
            -1.887,  # names missing
            -1.873,  # a name missing
            -1.298,  # a number missing
            -0.334,  # another year
            -0.85,  # only other years
            -0.458,  # the asked kind
            -1.619,  # another kind
            -0.635,  # an opposite
            -0.304,  # denied
            -0.385,  # not denied
            0.0,  # side by side
            0.0,  # rank
            0.0,  # a fragment
            -1.01,  # length
            0.0,  # after a question
            -0.974,  # two characters missing
            -0.473,  # more characters missing
            -1.162,  # characters missing
            -1.169,  # the beginning missing
            0.0,  # order
            0.0,  # names missing everywhere
            1.315,  # words that are held
            1.497,  # scorer
        ),
    ),
}
