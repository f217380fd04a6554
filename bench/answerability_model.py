"""The answer scorer while it is trained: where it begins, and how it is kept.

The vectors of words and of places are the embedding model's own and are never trained, so that
they need not be shipped again.
"""

from pathlib import Path

from safetensors.torch import load_file, save_file
from transformers import BertModel

from indexes.embedder.answer_model import AnswerModel

SHARED = ("encoder.embeddings.word_embeddings", "encoder.embeddings.position_embeddings")
"""Parts that the embedding model's weights hold already."""


def start_from(folder: Path, layers: int) -> AnswerModel:
    """The model before training: the first layers of the encoder in the folder."""
    encoder = BertModel.from_pretrained(
        folder,
        add_pooling_layer=False,
        num_hidden_layers=layers,
        attn_implementation="eager",
        hidden_dropout_prob=0.0,  # practice comes in many variants, and dropping costs a third
        attention_probs_dropout_prob=0.0,
    )
    types = encoder.embeddings.token_type_embeddings.weight.data
    types[1] = types[0]
    return AnswerModel(encoder)


def save_trained(model: AnswerModel, path: Path) -> None:
    """What training changed and what it did not, without the parts that are shared."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {n: t.contiguous() for n, t in model.state_dict().items() if not n.startswith(SHARED)}
    save_file(kept, path)


def load_trained(folder: Path, trained: Path) -> AnswerModel:
    """folder: of the encoder that the model was trained from."""
    kept = load_file(trained)
    layers = 1 + max(int(n.split(".")[3]) for n in kept if n.startswith("encoder.encoder.layer"))
    model = start_from(folder, layers)
    unexpected = model.load_state_dict(kept, strict=False).unexpected_keys
    if unexpected:
        raise ValueError(f"{trained} holds what the model does not have: {unexpected}")
    return model.eval()
