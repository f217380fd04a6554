"""The network of the packaged answer scorer: layers of the packaged embedding model, read over a question
and a text together, with two small heads.
"""

from pathlib import Path

import torch
from transformers import BertConfig, BertModel

FAR = 1e4  # taken from the logit of a token that no answer may begin or end at
MIX = "mix"
"""What verdict and span count, and a constant: chosen on questions that were not trained on."""


class AnswerModel(torch.nn.Module):
    """From pairs to what it says of each: does the text answer, and from where to where."""

    def __init__(self, encoder: BertModel) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.config.hidden_size
        self.verdict = torch.nn.Linear(2 * width, 1)
        self.span = torch.nn.Linear(width, 2)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All of shape (pairs, tokens); types are 1 for the tokens of the text.

        Returns logits of the verdict, shape (pairs,), and of first and last token of the answer,
        shape (pairs, tokens, 2); the first token stands for no answer.
        """
        states = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        mean = (states * mask).sum(1) / mask.sum(1)
        verdict = self.verdict(torch.cat([states[:, 0], mean], dim=-1)).squeeze(-1)
        return verdict, self.span(states)


class ScoringGraph(torch.nn.Module):
    """From one pair to the probability that the text answers: what is traced."""

    mix: torch.Tensor

    def __init__(self, model: AnswerModel, mix: torch.Tensor) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mix", mix)

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor) -> torch.Tensor:
        """Shape (1,). How far the best answer is ahead of none counts beside the verdict."""
        verdict, span = self.model(input_ids, torch.ones_like(input_ids), token_type_ids)
        outside = (1 - token_type_ids).unsqueeze(-1).to(span.dtype) * FAR
        ahead = ((span - outside).amax(1) - span[:, 0]).sum(-1)
        return torch.sigmoid(self.mix[0] * verdict + self.mix[1] * ahead + self.mix[2])


def load_graph(folder: Path) -> ScoringGraph:
    """The trained model from a folder that holds all its weights."""
    from safetensors.torch import load_file

    config = BertConfig.from_pretrained(folder, attn_implementation="eager")
    model = AnswerModel(BertModel(config, add_pooling_layer=False))
    weights = load_file(folder / "model.safetensors")
    mix = weights.pop(MIX)
    model.load_state_dict(weights)
    return ScoringGraph(model, mix).eval()
