"""A cross-encoder as reranker or as answer scorer: question and passage read together by one model,
slower and finer than vectors.
"""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from indexes.embedder.counting import drop_surrogates
from indexes.errors import BadConfiguration
from indexes.settings import Settings

_REMEDY = "Name a folder or a hub model made for reranking, or leave {setting} empty."


class CrossEncoderReranker:
    def __init__(self, name: str, setting: str = "CLEARANCE_RERANKER_MODEL") -> None:
        """setting: that names the model, for the remedy.

        Raises BadConfiguration when there is no such model.
        """
        from sentence_transformers import CrossEncoder

        try:
            self._model = CrossEncoder(name, num_labels=1, local_files_only=Path(name).exists())
        # whatever is wrong with a folder comes out as an error of the library that met it
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            raise BadConfiguration(
                f"The cross-encoder {name} cannot be loaded: {reason}",
                remedy=_REMEDY.format(setting=setting),
            ) from error
        self._tokenizer_lock = Lock()  # the tokenizer inside the model is not safe to share

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """As the model's own configuration has them: probabilities of some, logits of others."""
        return self._predict(question, texts)

    def _predict(self, question: str, texts: Sequence[str], **options: object) -> list[float]:
        pairs = [(drop_surrogates(question), drop_surrogates(text)) for text in texts]
        with (
            self._tokenizer_lock
        ):  # one pair at a time: no padding, so no score depends on the other texts
            found = self._model.predict(pairs, batch_size=1, show_progress_bar=False, **options)
        return [float(score) for score in found]


class CrossEncoderAnswerScorer(CrossEncoderReranker):
    """The same model where probabilities are wanted."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "CLEARANCE_ANSWER_SCORER")

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """Probabilities, from 0 to 1."""
        from torch.nn import Sigmoid

        return self._predict(question, texts, activation_fn=Sigmoid())


def load_reranker(settings: Settings) -> CrossEncoderReranker | None:
    """The reranker that the settings name; None if they name none."""
    return CrossEncoderReranker(settings.reranker_model) if settings.reranker_model else None
