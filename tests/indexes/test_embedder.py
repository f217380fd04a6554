"""What every embedder promises, asked of the stand-in and of the real model with every backend."""

import dataclasses
import importlib
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from indexes.embedder import Embedder, load
from indexes.embedder.sentences import ModelFacts, SentenceTransformerEmbedder
from indexes.errors import BadConfiguration
from indexes.settings import Settings
from indexes.testing import HashingEmbedder

LUNCH, PAY = "The canteen opens at half past eleven.", "Salaries rise in April of each year."
LUNCH_ZH, PAY_ZH = "食堂十一点半开门，午饭到两点。", "工资在每年四月上涨。"
ODD = ["", " ", "\x00", "\ud800 half of a pair", "🙂" * 50, "x" * 20_000, "。" * 3_000, "a\n\n\tb"]


@pytest.fixture(scope="module")
def home(models: Path) -> Iterator[Path]:
    """With the models that other tests use, too, because unpacking and converting takes a while."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models").symlink_to(models)
        yield Path(folder)


def _settings(home: Path, **changes: Any) -> Settings:
    return Settings(home=home, embedding_threads=1, **changes)


@pytest.fixture(
    scope="module",
    params=[
        "hashing",
        pytest.param("torch", marks=pytest.mark.slow),
        pytest.param("onnx", marks=pytest.mark.slow),
        pytest.param("openvino", marks=pytest.mark.slow),
        pytest.param("openvino-float32", marks=pytest.mark.slow),
    ],
)
def embedder(request: pytest.FixtureRequest, home: Path) -> Embedder:
    if request.param == "hashing":
        return HashingEmbedder(dimension=256)
    return load(_settings(home, embedding_backend=request.param))


class TestContract:
    def test_vectors_have_length_one_and_the_promised_shape(self, embedder: Embedder) -> None:
        passages = embedder.passages([LUNCH, PAY, LUNCH_ZH])
        question = embedder.query("When can I eat?")
        assert passages.shape == (3, embedder.dimension)
        assert question.shape == (embedder.dimension,)
        assert passages.dtype == question.dtype == np.float32
        assert np.allclose(np.linalg.norm([*passages, question], axis=1), 1, atol=1e-6)

    def test_no_texts_give_no_vectors(self, embedder: Embedder) -> None:
        assert embedder.passages([]).shape == (0, embedder.dimension)
        assert embedder.count([]) == []

    @pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
    def test_any_text_has_a_vector_and_a_count(self, embedder: Embedder, text: str) -> None:
        for vector in (embedder.query(text), embedder.passages([text])[0]):
            assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
        assert embedder.count([text])[0] >= 0

    def test_a_question_finds_what_it_is_about(self, embedder: Embedder) -> None:
        for passages, questions in (
            ([LUNCH, PAY], ["When does the canteen open?", "When do salaries rise?"]),
            ([LUNCH_ZH, PAY_ZH], ["食堂几点开门？", "工资什么时候上涨？"]),
        ):
            vectors = embedder.passages(passages)
            assert [
                int(np.argmax(vectors @ embedder.query(question))) for question in questions
            ] == [0, 1]

    def test_a_passages_vector_depends_on_nothing_but_its_text(self, embedder: Embedder) -> None:
        texts = [PAY_ZH, LUNCH * 9, PAY, LUNCH]
        together = embedder.passages(texts)
        assert [vector.tobytes() for vector in together] == [
            embedder.passages([text])[0].tobytes() for text in texts
        ]

    def test_a_question_gives_the_same_bytes_whatever_else_goes_on(
        self, embedder: Embedder
    ) -> None:
        expected = embedder.query(LUNCH).tobytes()
        with ThreadPoolExecutor(4) as pool:
            noise = [pool.submit(embedder.passages, [PAY * 5, LUNCH_ZH]) for _ in range(4)]
            questions = [pool.submit(embedder.query, LUNCH) for _ in range(8)]
            counts = [pool.submit(embedder.count, [PAY * 400]) for _ in range(4)]
        assert {question.result().tobytes() for question in questions} == {expected}
        assert len({tuple(count.result()) for count in counts}) == 1
        assert [part.result().shape[0] for part in noise] == [2] * 4

    def test_counts_are_of_the_whole_text_without_prefix_and_special_tokens(
        self, embedder: Embedder
    ) -> None:
        one, hundred, thousand = embedder.count(
            ["canteen", " ".join(["canteen"] * 100), " ".join(["canteen"] * 1000)]
        )
        assert (hundred, thousand) == (100 * one, 1000 * one)
        assert embedder.count(["", LUNCH]) == [0, *embedder.count([LUNCH])]

    def test_max_tokens_are_seen_and_what_is_far_beyond_is_cut_off(
        self, embedder: Embedder
    ) -> None:
        (one,) = embedder.count(["canteen"])
        words = ["canteen"] * (embedder.max_tokens // one)
        room = embedder.max_tokens - one * len(words)
        full = " ".join([*words, *["a"] * room])
        assert embedder.count([full]) == [embedder.max_tokens]
        changed = " ".join([*words[:-1], "salary"])
        longer = full + " salary" * 10  # the shorter of two prefixes leaves room for a few more
        seen, other, cut, cut_too = embedder.passages([full, changed, longer, longer + " lunch"])
        assert not np.array_equal(seen, other)
        assert np.array_equal(cut, cut_too)

    def test_a_fingerprint_and_a_name_are_there(self, embedder: Embedder) -> None:
        assert embedder.name
        assert embedder.fingerprint


class CountingBackend:
    """Counts characters: enough to see what an embedder hands to its backend."""

    def __init__(
        self, batch_size: int = 1, prompts: dict[str, str] | None = None, max_length: int = 64
    ) -> None:
        self.facts = ModelFacts(
            identity="counting", dimension=2, max_length=max_length, prompts=prompts or {}
        )
        self.tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
        self.tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        self.batch_size = batch_size
        self.batches: list[list[str]] = []

    def vectors(self, texts: Sequence[str], *, urgent: bool = False) -> NDArray[np.float32]:
        self.batches.append(list(texts))
        return np.array([[len(text), text.count("!")] for text in texts], np.float32)


def test_another_process_can_count_like_the_embedder_without_its_model(embedder: Embedder) -> None:
    recipe = embedder.counter_recipe()
    module, function = recipe.maker.split(":")
    counter = getattr(importlib.import_module(module), function)(recipe.data, recipe.max_tokens)
    texts = ["", PAY, LUNCH_ZH, PAY * 400, "\ud800 half"]
    assert counter.count(texts) == embedder.count(texts)
    assert counter.max_tokens == embedder.max_tokens


def test_on_a_gpu_batches_hold_texts_of_similar_length_and_come_back_in_order() -> None:
    backend = CountingBackend(batch_size=2)
    texts = ["four", "a", "fifteen letters", "bb"]
    vectors = SentenceTransformerEmbedder("m", backend).passages([*texts[:3], "bb!!"])
    assert backend.batches == [["a", "four"], ["bb!!", "fifteen letters"]]
    assert [round(float(down / across)) for across, down in vectors] == [0, 0, 0, round(2 / 4)]


@pytest.mark.parametrize(
    ("name", "prompts", "expected"),
    [
        ("any", {"query": "Q: ", "document": "D: "}, ["Q: x", "D: x"]),
        ("any", {"query": "Q: ", "passage": "P: "}, ["Q: x", "P: x"]),
        ("any", {"query": "", "document": ""}, ["x", "x"]),
        (
            "intfloat/multilingual-e5-large",
            {"query": "", "document": ""},
            ["query: x", "passage: x"],
        ),
        ("/models/e5-base-v2", {}, ["query: x", "passage: x"]),
        ("intfloat/e5-mistral-7b-instruct", {}, ["x", "x"]),
    ],
)
def test_prefixes_come_from_the_model_and_e5_models_have_theirs_anyway(
    name: str, prompts: dict[str, str], expected: list[str]
) -> None:
    backend = CountingBackend(prompts=prompts)
    embedder = SentenceTransformerEmbedder(name, backend)
    embedder.query("x")
    embedder.passages(["x"])
    assert [text for batch in backend.batches for text in batch] == expected


def test_the_settings_beat_the_models_own_prefixes_also_with_none_at_all() -> None:
    backend = CountingBackend(prompts={"query": "Q: ", "document": "D: "})
    embedder = SentenceTransformerEmbedder("m", backend, query_prefix="", passage_prefix="text: ")
    embedder.query("x")
    embedder.passages(["x"])
    assert backend.batches == [["x"], ["text: x"]]


def test_the_longer_prefix_is_taken_off_the_longest_text() -> None:
    backend = CountingBackend(
        prompts={"query": "one two three ", "document": "one "}, max_length=64
    )
    assert SentenceTransformerEmbedder("m", backend).max_tokens == 61
    with pytest.raises(BadConfiguration) as raised:
        SentenceTransformerEmbedder(
            "m", CountingBackend(max_length=2), query_prefix="much too long a prefix "
        )
    assert "embedding_query_prefix" in (raised.value.remedy or "")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0])
def test_a_vector_without_a_direction_is_refused(
    wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = CountingBackend()
    monkeypatch.setattr(
        backend,
        "vectors",
        lambda texts, *, urgent=False: np.full((len(texts), 2), wrong, np.float32),
    )
    with pytest.raises(BadConfiguration, match="not a number, or zero"):
        SentenceTransformerEmbedder("m", backend).query("x")


def test_whatever_changes_vectors_changes_the_fingerprint() -> None:
    def fingerprint(facts: ModelFacts, **prefixes: str) -> str:
        backend = CountingBackend()
        backend.facts = facts
        return SentenceTransformerEmbedder("m", backend, **prefixes).fingerprint

    facts = CountingBackend().facts
    same = fingerprint(facts)
    assert fingerprint(dataclasses.replace(facts)) == same
    others = [
        fingerprint(dataclasses.replace(facts, identity="other weights")),
        fingerprint(dataclasses.replace(facts, max_length=32)),
        fingerprint(facts, query_prefix="Q: "),
        fingerprint(facts, passage_prefix="Q: "),
    ]
    assert len({same, *others}) == 5


@pytest.mark.parametrize("name", ["./models/none", "/models/none", "~/none", "a/b/c"])
def test_a_folder_that_is_not_there_is_no_name_to_look_for_elsewhere(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(BadConfiguration, match="no model folder") as raised:
        load(_settings(tmp_path, embedding_model=name))
    assert "multilingual-e5-small" in (raised.value.remedy or "")


def test_an_unknown_name_fails_fast_without_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BadConfiguration, match="HF_HUB_OFFLINE is set") as raised:
        load(_settings(tmp_path, embedding_model="nobody/no-such-model"))
    assert "packaged model" in (raised.value.remedy or "")


@pytest.mark.parametrize("content", [{}, {"config.json": "{"}, {"config.json": "{}"}])
@pytest.mark.slow
def test_a_folder_that_holds_no_model_is_refused(content: dict[str, str], tmp_path: Path) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(BadConfiguration) as raised:
        load(_settings(tmp_path / "home", embedding_model=str(tmp_path)))
    assert raised.value.remedy
