"""A cross-encoder as reranker: question and passage read together by one model, slower and finer
than vectors.
"""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from indexes.embedder.counting import drop_surrogates
from indexes.errors import BadConfiguration
from indexes.settings import Settings

_REMEDY = (
    "Name a folder or a hub model made for reranking, or leave CLEARANCE_RERANKER_MODEL empty."
)


class CrossEncoderReranker:
    def __init__(self, name: str) -> None:
        """Raises BadConfiguration when there is no such model."""
        from sentence_transformers import CrossEncoder

        try:
            self._model = CrossEncoder(name, num_labels=1, local_files_only=Path(name).exists())
        # whatever is wrong with a folder comes out as an error of the library that met it
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            raise BadConfiguration(
                f"The reranker {name} cannot be loaded: {reason}", remedy=_REMEDY
            ) from error
        self._tokenizer_lock = Lock()  # the tokenizer inside the model is not safe to share

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        pairs = [(drop_surrogates(question), drop_surrogates(text)) for text in texts]
        with (
            self._tokenizer_lock
        ):  # one pair at a time: no padding, so no score depends on the other texts
            found = self._model.predict(pairs, batch_size=1, show_progress_bar=False)
        return [float(score) for score in found]


def load_reranker(settings: Settings) -> CrossEncoderReranker | None:
    """The reranker that the settings name; None if they name none."""
    return CrossEncoderReranker(settings.reranker_model) if settings.reranker_model else None
