"""A cross-encoder small enough to be made in a test."""

from pathlib import Path


def make_tiny_cross_encoder(folder: Path, *, bias: float = 0.0, logits: bool = False) -> None:
    """Writes one with random weights and nine words.

    bias: added to what it says of every pair. logits: its configuration asks for no probabilities.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "pay", "rises", "soup", "in", "may"]
    tokenizer = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {
        "unk_token": "[UNK]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
    }
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    shape = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    told = {"activation_fn": "torch.nn.modules.linear.Identity"}
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(words),
            num_labels=1,
            **shape,
            **({"sentence_transformers": told} if logits else {}),
        )
    )
    model.classifier.bias.data += bias
    model.save_pretrained(folder)
