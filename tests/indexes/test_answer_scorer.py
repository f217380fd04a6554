"""Whether a text answers a question: what every scorer promises, and what happens without one."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from indexes.embedder import packaged_answers
from indexes.embedder.answer_scorer import PACKAGED, WORDS, is_prepared, load_answer_scorer
from indexes.embedder.vocabulary import read_tokenizer
from indexes.errors import BadConfiguration
from indexes.settings import Settings
from indexes.weights import ANSWER_SCORER
from indexes.weights.answer_scorer import pack_tensors, unpack_tensors
from tests.indexes.cross_encoders import make_tiny_cross_encoder

TEXTS = ["pay rises in may", "soup", "pay", ""]


def test_without_a_name_it_is_the_packaged_one_and_words_alone_if_they_are_asked_for() -> None:
    assert Settings().answer_scorer == PACKAGED
    assert load_answer_scorer(Settings(answer_scorer=WORDS)) is None


def test_one_that_has_to_be_converted_first_is_not_prepared(tmp_path: Path) -> None:
    assert not is_prepared(Settings(home=tmp_path))
    assert is_prepared(Settings(home=tmp_path, answer_scorer=WORDS))
    assert is_prepared(Settings(home=tmp_path, answer_scorer="somebody/some-cross-encoder"))


def test_the_same_vocabulary_is_read_once_wherever_it_lies(tmp_path: Path) -> None:
    tokenizer = Tokenizer(WordLevel({"pay": 0, "soup": 1}, unk_token="pay"))
    first, second, other = (tmp_path / name for name in ("a.json", "b.json", "c.json"))
    tokenizer.save(str(first))
    tokenizer.save(str(second))
    Tokenizer(WordLevel({"pay": 0}, unk_token="pay")).save(str(other))
    assert read_tokenizer(first) is read_tokenizer(second)
    assert read_tokenizer(other) is not read_tokenizer(first)


def test_a_name_that_leads_nowhere_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration) as raised:
        load_answer_scorer(Settings(answer_scorer=str(tmp_path / "nothing")))
    assert "CLEARANCE_ANSWER_SCORER" in str(raised.value.remedy)


@pytest.mark.slow
def test_a_cross_encoder_gives_probabilities_and_looks_at_each_text_alone(tmp_path: Path) -> None:
    make_tiny_cross_encoder(tmp_path)
    scorer = load_answer_scorer(Settings(answer_scorer=str(tmp_path)))
    assert scorer is not None
    together = scorer.scores("pay rises", TEXTS)
    assert together == [scorer.scores("pay rises", [text])[0] for text in TEXTS]
    assert len(set(together)) > 1
    assert all(0 <= score <= 1 for score in together)


@pytest.mark.slow
def test_scores_are_probabilities_even_if_the_model_says_that_it_gives_logits(
    tmp_path: Path,
) -> None:
    make_tiny_cross_encoder(tmp_path, bias=9.0, logits=True)
    scorer = load_answer_scorer(Settings(answer_scorer=str(tmp_path)))
    assert scorer is not None
    assert all(0.9 < score <= 1 for score in scorer.scores("pay rises", TEXTS))


def test_what_is_packed_comes_back_to_within_half_a_step_of_its_row() -> None:
    matrix = np.random.default_rng(1).normal(size=(5, 64)).astype(np.float32)
    bias = np.arange(5, dtype=np.float32)
    packed = pack_tensors({"layer.weight": matrix, "layer.bias": bias})
    assert packed["layer.weight"].dtype == np.int8
    found = unpack_tensors(packed)
    assert found.keys() == {"layer.weight", "layer.bias"}
    assert np.array_equal(found["layer.bias"], bias)
    half_step = np.abs(matrix).max(axis=1, keepdims=True) / 254
    assert np.all(np.abs(found["layer.weight"] - matrix) <= half_step * 1.001)


def test_the_packaged_weights_are_small_and_are_those_that_were_measured() -> None:
    packed = ANSWER_SCORER.locate()
    assert packed.stat().st_size < 25_000_000
    for name in ("answer_scorer.md", "answer_scorer.LICENSE.txt"):
        assert packed.with_name(name).is_file()


@pytest.mark.parametrize(
    "change", [{"sha256": "0" * 64}, {"file": "gone.safetensors"}], ids=["damaged", "missing"]
)
def test_weights_that_cannot_be_used_are_told_in_the_log_and_stop_nothing(
    change: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = dataclasses.replace(ANSWER_SCORER, **change)
    monkeypatch.setattr("indexes.embedder.packaged_answers.ANSWER_SCORER", broken)
    with caplog.at_level(logging.WARNING):
        assert load_answer_scorer(Settings(home=tmp_path, answer_scorer=PACKAGED)) is None
    assert "rules alone decide" in caplog.text


@pytest.mark.slow
def test_the_packaged_scorer_tells_what_answers_from_what_is_only_near(models: Path) -> None:
    scorer = packaged_answers.load(models, 1, lambda _: None)
    canteen = "Canteen\nThe canteen opens at half past eleven. It closes at two."
    leave = "休假\n员工每年最多可以将五天年假结转到下一年。"
    [opens] = scorer.scores("When does the canteen open?", [canteen])
    [library] = scorer.scores("When does the library open?", [canteen])
    [carried] = scorer.scores("年假最多可以结转几天？", [leave])
    [approves] = scorer.scores("谁批准年假？", [leave])
    assert opens > library + 0.3
    assert carried > approves + 0.3


@pytest.mark.slow
def test_the_packaged_scorer_gives_the_same_bytes_whatever_stands_beside_a_text(
    models: Path,
) -> None:
    scorer = packaged_answers.load(models, 2, lambda _: None)
    texts = ["Canteen\nThe canteen opens at half past eleven.", "", "word " * 2_000, "休假 \ud800"]
    together = scorer.scores("When does it open?", texts)
    alone = [scorer.scores("When does it open?", [text])[0] for text in texts]
    assert together == alone == list(reversed(scorer.scores("When does it open?", texts[::-1])))
    assert all(0 <= score <= 1 for score in together)
