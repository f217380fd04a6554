import json
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFC, Lowercase, Normalizer
from tokenizers.pre_tokenizers import ByteLevel, Metaspace, PreTokenizer, Sequence, Split
from tokenizers.trainers import BpeTrainer

from service.llm import token_counter
from service.llm.token_counter import WordCounter, make_word_counter
from tests.service.given import texts

ENDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA_3 = rf"{ENDS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
GPT_4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SCHOOL = [
    "The harbour opens at six in the morning, and it's closed at nine; nobody's boat leaves. WE'LL.\n\n[2] 1,234.50",
    "港口早上六点开放，晚上九点关闭。星期日和节假日除外。停泊一晚收费十二元。 Été à la plage, привет мир ½ ² ٣",
]
ODD = (
    *" \t\n\r'sStTlL19½٣é́e港ー・ˈ’ﬂİ/🙂\u00a0\u3000\x85\x1c\u017f\u200b\U0002cb3b",
    "👩\u200d💻", "'ll", "'RE", "<|end|>", "<|end", "|>", "\r\n", "  ", ".\n\n", "end",
)  # fmt: skip
CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXTS = texts | st.lists(st.sampled_from(ODD) | CHARACTERS, max_size=40).map("".join)


def split(pattern: str) -> PreTokenizer:
    return Sequence(
        [Split(Regex(pattern), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def trained(cutter: PreTokenizer, normalizer: Normalizer | None = None) -> Tokenizer:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = cutter
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = BpeTrainer(vocab_size=420, initial_alphabet=ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(SCHOOL, trainer)
    tokenizer.add_special_tokens(["<|end|>", "<|end|>|"])
    return tokenizer


def counter(tokenizer: Tokenizer) -> WordCounter | None:
    made_of: dict[str, Any] = json.loads(tokenizer.to_str())
    return make_word_counter(tokenizer, made_of)


KINDS = {
    "gpt-2": trained(ByteLevel(add_prefix_space=False)),
    "llama-3": trained(split(LLAMA_3)),
    "qwen": trained(split(QWEN), NFC()),
    "gpt-4o": trained(split(GPT_4O)),
    "of its own": trained(split(r"\p{L}+\n?\p{L}*|\p{N}+|\s+|[^\s\p{L}\p{N}]+")),
}
COUNTERS = {kind: counter(tokenizer) for kind, tokenizer in KINDS.items()}


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS)
@example(text="Stop.\n\n/etc and  'Re  \n x\u00a0\u00a0y <|end|>|<|end|> 12345")
@example(text="and\nx")
@example(text="lines\n\nof\n \ntext.\r\n\u0301x\n/x\n<|end|>\n\nx\n")
def test_words_have_as_many_tokens_as_the_text(kind: str, text: str) -> None:
    words = COUNTERS[kind]
    assert words is not None
    whole = len(KINDS[kind].encode(text, add_special_tokens=False).ids)
    assert words.count(text) in (whole, None)
    assert words.count(text, "a view") == words.count(text, "a view") == words.count(text)


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_text_is_counted_by_words_and_strange_text_is_not(kind: str) -> None:
    words = COUNTERS[kind]
    assert words is not None
    assert all(words.count(text) is not None for text in SCHOOL)
    assert words.count("🙂 fine") is not None
    assert words.count("\U0002cb3b is younger than the oldest Unicode that we believe") is None


@pytest.mark.parametrize("kind", KINDS)
def test_every_character_that_is_counted_is_cut_as_the_library_cuts_it(kind: str) -> None:
    words = COUNTERS[kind]
    assert words is not None
    for first in (*range(0, 0x10000, 512), *range(0x1F000, 0x20000, 512)):
        chars = [chr(code) for code in range(first, first + 512) if not 0xD800 <= code < 0xE000]
        known = [char for char in chars if words.count(char) is not None]
        for text in (
            "a".join(known),
            " ".join(known),
            "".join(f"1{char}{char}." for char in known),
        ):
            assert words.count(text) in (
                len(KINDS[kind].encode(text, add_special_tokens=False).ids),
                None,
            )


@pytest.mark.parametrize(
    "tokenizer",
    [
        trained(Metaspace()),
        trained(ByteLevel(add_prefix_space=True)),
        trained(ByteLevel(add_prefix_space=False), Lowercase()),
        trained(split(r"\p{Han}+|\w+|\s+")),
        trained(split(r"[\p{L}&&[a-z]]+|\s+")),
    ],
    ids=["metaspace", "prefix space", "normalizer", "unknown property", "intersection"],
)
def test_a_tokenizer_of_another_make_is_left_to_the_library(tokenizer: Tokenizer) -> None:
    assert counter(tokenizer) is None


def test_an_added_token_that_takes_the_space_beside_it_is_left_to_the_library() -> None:
    tokenizer = trained(ByteLevel(add_prefix_space=False))
    tokenizer.add_tokens([AddedToken("<hungry>", rstrip=True, normalized=False)])
    assert counter(tokenizer) is None


@pytest.mark.parametrize("kind", ["gpt-2", "llama-3", "qwen", "gpt-4o"])
def test_a_line_that_was_counted_before_is_not_cut_again_and_no_text_of_it_is_kept(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = counter(KINDS[kind])
    assert words is not None
    line = "The harbour opens at six, whatever the weather says.\n"
    text = f"[1]\n{line}\n[2]"
    first = words.count(text, "a view")
    assert not any(line.strip() in kept for kept in words._words)
    cut = Mock(side_effect=words._count_line)
    monkeypatch.setattr(words, "_count_line", cut)
    assert words.count(text, "a view") == first
    cut.assert_not_called()
    for other in ("another view", "", ""):
        cut.reset_mock()
        assert words.count(text, other) == first
        assert len(cut.mock_calls) == 3, "who sees something else finds nothing counted"


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_counter, "MAX_REMEMBERED", 50)
    words = counter(KINDS["gpt-2"])
    assert words is not None
    for first in range(0, 400, 20):
        words.count("\n".join(map(str, range(first, first + 20))), "a view")
        assert len(words._words) <= 50
        assert len(words._lines) <= 50
    assert words.count(" 7" * 50) == 50 * len(KINDS["gpt-2"].encode(" 7").ids)
