"""The packaged answer scorer, run by OpenVINO on processors.

Every pair is computed alone, so that a score is the same bytes whatever else is scored.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tokenizers import Tokenizer

from indexes.artifacts import Report, make_once
from indexes.embedder.conversion import TOKENIZER
from indexes.embedder.counting import drop_surrogates
from indexes.embedder.openvino_cpu import GRAPH, Precision, Streams, compile_graph
from indexes.embedder.processor import has_int8_instructions
from indexes.embedder.vocabulary import read_tokenizer
from indexes.weights import ANSWER_SCORER

QUESTION_TOKENS, PAIR_TOKENS = 64, 224
"""What it was trained with; what is longer is cut off."""

RECIPES: Mapping[Precision, str] = {
    "int8": "answers openvino int8 1: smooth quantisation, calibration text 1",
    "float32": "answers openvino float32 1: word embeddings in 8 bits per word",
}


class PairIds:
    """A question and a text as the model reads them. Safe to share."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        specials: list[int] = tokenizer.encode("").ids  # what stands around every text
        self._begin, self._end = specials[0], specials[-1]

    def of(self, question: str, text: str) -> tuple[list[int], list[int]]:
        """Ids and kinds of the tokens; 1 is the kind of those of the text."""
        asked = self._encode(question)[:QUESTION_TOKENS]
        head = [self._begin, *asked, self._end, self._end]
        told = [*self._encode(text)[: PAIR_TOKENS - len(head) - 1], self._end]
        return head + told, [0] * len(head) + [1] * len(told)

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(drop_surrogates(text), add_special_tokens=False).ids
        return ids


class PackagedAnswerScorer:
    """An AnswerScorer. Safe to use from several threads."""

    def __init__(self, folder: Path, threads: int) -> None:
        self._ids = PairIds(read_tokenizer(folder / TOKENIZER))
        compiled = compile_graph(folder / GRAPH, threads)
        self._streams = Streams([compiled.create_infer_request() for _ in range(threads)])

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        return [self._score(question, text) for text in texts]

    def _score(self, question: str, text: str) -> float:
        ids, kinds = (np.array([row], np.int64) for row in self._ids.of(question, text))
        with self._streams.take(urgent=True) as request:
            request.infer({0: ids, 1: kinds}, share_inputs=True)
            return float(request.get_output_tensor(0).data[0])


def load(cache: Path, threads: int, report: Report) -> PackagedAnswerScorer:
    """The scorer, ready to run on that many threads; converted first if that was not done yet.

    Raises BadConfiguration if the packaged file is not there or is damaged, even if what was made of it
    is here.
    """
    packed, precision = ANSWER_SCORER.locate(), _precision()

    def make(empty: Path) -> None:
        from indexes.embedder.answer_conversion import convert

        report(
            "Converting the answer scorer for OpenVINO, one to three minutes; this is done once."
        )
        with TemporaryDirectory(dir=cache) as whole:
            ANSWER_SCORER.convert(packed, Path(whole))
            convert(Path(whole), empty, precision)

    made_from = {
        "model": "answers",
        "identity": ANSWER_SCORER.identity,
        "recipe": RECIPES[precision],
    }
    return PackagedAnswerScorer(make_once(folder_in(cache), made_from, make, report), threads)


def folder_in(cache: Path) -> Path:
    """Where the converted model is, or will be."""
    return cache / f"answers-{_precision()}-{ANSWER_SCORER.identity[:16]}"


def _precision() -> Precision:
    return "int8" if has_int8_instructions() else "float32"
