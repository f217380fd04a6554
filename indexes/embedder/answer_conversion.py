"""From the trained answer scorer to the graph that OpenVINO runs; like `openvino_conversion`, for pairs.

Takes PyTorch and, for 8 bits, the quantiser; running the graph takes neither.
"""

import json
import warnings
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from indexes.embedder.answer_model import load_graph
from indexes.embedder.conversion import TOKENIZER
from indexes.embedder.openvino_conversion import (
    CALIBRATION,
    compress_word_embeddings,
    without_noise,
)
from indexes.embedder.openvino_cpu import GRAPH, Precision
from indexes.embedder.openvino_import import import_openvino, import_quantiser
from indexes.embedder.packaged_answers import PackagedAnswerScorer, PairIds
from indexes.errors import BadConfiguration

FARTHEST = 0.3
"""From the original's probability, on the samples: beyond, converting has broken the model."""

SAMPLES = (
    ("When does the canteen open?", "Canteen\nThe canteen opens at half past eleven."),
    ("When does the library open?", "Canteen\nThe canteen opens at half past eleven."),
    ("年假最多可以结转几天？", "休假\n员工每年最多可以将五天年假结转到下一年。"),
    ("病假要提前几天申请？", "休假\n员工每年最多可以将五天年假结转到下一年。"),
)


def convert(folder: Path, empty: Path, precision: Precision) -> None:
    """Writes the graph and the tokenizer. Raises BadConfiguration if the model does not survive it."""
    graph = load_graph(folder)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(empty / TOKENIZER))
    ids = PairIds(tokenizer)
    ov = import_openvino()
    with without_noise():
        traced = _trace(ov, graph, ids)
        small = _quantise(traced, ids) if precision == "int8" else compress_word_embeddings(traced)
        ov.save_model(small, empty / GRAPH, compress_to_fp16=False)
    _check_survived(graph, ids, empty)


def _trace(ov: Any, graph: torch.nn.Module, ids: PairIds) -> Any:
    any_shape = ov.PartialShape([1, -1])
    names = ("input_ids", "token_type_ids")
    example = dict(zip(names, map(torch.tensor, _arrays(ids, *SAMPLES[0])), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ov.convert_model(
            graph, example_input=example, input=[(name, any_shape, ov.Type.i64) for name in names]
        )


def _quantise(graph: Any, ids: PairIds) -> Any:
    """As `openvino_conversion` does it: every question of the calibration text beside some passage."""
    nncf = import_quantiser()
    texts: dict[str, list[str]] = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    inputs = [
        dict(zip(("input_ids", "token_type_ids"), _arrays(ids, question, passage), strict=True))
        for question, passage in zip(cycle(texts["questions"]), texts["passages"], strict=False)
    ]
    return nncf.quantize(
        graph,
        nncf.Dataset(inputs),
        subset_size=len(inputs),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
    )


def _arrays(ids: PairIds, question: str, text: str) -> list[NDArray[np.int64]]:
    return [np.array([row], np.int64) for row in ids.of(question, text)]


def _check_survived(graph: torch.nn.Module, ids: PairIds, converted: Path) -> None:
    scorer = PackagedAnswerScorer(converted, threads=1)
    with torch.inference_mode():
        for question, text in SAMPLES:
            expected = float(graph(*map(torch.tensor, _arrays(ids, question, text))))
            found = scorer.scores(question, [text])[0]
            if not abs(found - expected) <= FARTHEST:
                raise BadConfiguration(
                    f"The answer scorer loses too much with 8-bit weights: {found:.3f}, not {expected:.3f}.",
                    remedy="Leave CLEARANCE_ANSWER_SCORER empty.",
                )
