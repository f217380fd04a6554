"""Whether a text answers a question: what every scorer promises, and what happens without one."""

from pathlib import Path

import pytest

from indexes.embedder.answer_scorer import load_answer_scorer
from indexes.errors import BadConfiguration
from indexes.settings import Settings
from tests.indexes.cross_encoders import make_tiny_cross_encoder

TEXTS = ["pay rises in may", "soup", "pay", ""]


def test_without_a_name_there_is_no_scorer() -> None:
    assert load_answer_scorer(Settings()) is None


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
