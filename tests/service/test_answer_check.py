"""What answers a question, and what is only near to it."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.answering.answer_check.kinds import Kind, gives, kind_of
from service.answering.answer_check.names import Held, find_missing_characters, find_names
from service.answering.answer_check.never_quoted import answers_nothing, asks
from service.answering.answer_check.opposites import negates, turned, words_with_opposites
from service.answering.answer_check.question import read_question
from service.answering.answer_check.verdict import AnswerCheck, Verdict
from service.answering.extractive import choose_quotes
from service.answering.prompt import Passage
from tests.service.given import hit, shown

CUP = shown(
    hit(
        "The Harbour Cup is rowed every spring. In 2016 the Harbour Cup was won by Nora Lind of Larvik."
        " The prize was 900 crowns.",
        n=1,
        document="cup",
        title="Harbour Cup",
    ),
    hit("A berth in the harbour costs twelve crowns for the night.", n=2, document="berths"),
)
BRIDGE = shown(
    hit(
        "南江大桥位于临川市，于1998年建成通车，全长1200米。大桥由林志远设计。",
        n=1,
        document="bridge",
        title="南江大桥",
    ),
    hit("临川市的港口在夏天六点开放。", n=2, document="port", title="港口"),
)


def judge(question: str, passages: Sequence[Passage]) -> Verdict:
    return AnswerCheck().judge(question, passages)


def is_enough(verdict: Verdict) -> bool:
    return verdict.strength >= verdict.least_strength


@pytest.mark.parametrize(
    ("question", "passages"),
    [
        ("Who won the Harbour Cup in 2016?", CUP),
        ("What does a berth in the harbour cost for the night?", CUP),
        ("南江大桥是哪一年建成通车的？", BRIDGE),
        ("南江大桥是由谁设计的？", BRIDGE),
        ("南江大桥全长多少米？", BRIDGE),
    ],
)
def test_what_answers_is_sure_enough(question: str, passages: tuple[Passage, ...]) -> None:
    verdict = judge(question, passages)
    assert is_enough(verdict), verdict.strength
    assert not verdict.lacks_name


@pytest.mark.parametrize(
    ("question", "passages"),
    [
        ("Who won the Harbour Cup in 2019?", CUP),
        ("In which year was the Harbour Cup won by Jonas Berg?", CUP),
        ("Who won the Alpine Cup in 2016?", CUP),
        ("Who painted the ceiling of the chapel in Bergen?", CUP),
        ("北江大桥是由谁设计的？", BRIDGE),
        ("南江大桥是哪一年被洪水冲毁的？", BRIDGE),
    ],
)
def test_what_is_only_near_is_less_sure_than_what_answers(
    question: str, passages: tuple[Passage, ...]
) -> None:
    answered = "Who won the Harbour Cup in 2016?" if passages is CUP else "南江大桥是由谁设计的？"
    assert judge(question, passages).strength < judge(answered, passages).strength


@pytest.mark.parametrize(
    "question", ["Who won the Harbour Cup in 2019?", "Which prize did Jonas Berg get for the Cup?"]
)
def test_a_name_or_year_that_no_document_holds_is_told(question: str) -> None:
    assert judge(question, CUP).lacks_name


def test_a_name_written_as_one_word_is_no_missing_name() -> None:
    told = shown(hit("The wifi password changes every month.", title="Network"))
    assert not judge("When does the Wi-Fi password change?", told).lacks_name


def test_nothing_found_has_no_strength() -> None:
    assert judge("Who won the Harbour Cup?", ()).strength == 0.0
    assert judge("???", CUP).sentences == ()


def test_the_order_of_passages_changes_nothing() -> None:
    question = "Who won the Harbour Cup in 2016?"
    there, back = judge(question, CUP), judge(question, tuple(reversed(CUP)))
    assert there.strength == back.strength
    assert [each.sentence.text for each in there.sentences] == [
        each.sentence.text for each in back.sentences
    ]


class _Scorer:
    """Knows what answers: texts with these words."""

    def __init__(self, answers: str) -> None:
        self.answers = answers
        self.read: list[str] = []

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        self.read += texts
        return [0.999 if self.answers in text else 0.001 for text in texts]


def test_a_scorer_reads_the_best_sentence_and_changes_the_strength() -> None:
    question = "What does a berth in the harbour cost for the night?"
    yes, no = _Scorer("A berth in the harbour costs"), _Scorer("nothing")
    surer, less = (
        AnswerCheck(yes, "s").judge(question, CUP),
        AnswerCheck(no, "s").judge(question, CUP),
    )
    assert less.strength < surer.strength
    assert [each.score for each in less.sentences] == [each.score for each in surer.sentences]
    (read,) = yes.read
    assert read.startswith("Harbour rules\n")
    assert "costs twelve crowns" in read


@given(
    asked=st.sampled_from(
        [
            ("Who won the Harbour Cup in 2016?", CUP),
            ("What does a berth in the harbour cost for the night?", CUP),
            ("Which boat sails to the northern islands?", CUP),
            ("南江大桥是由谁设计的？", BRIDGE),
            ("临川市的港口几点开放？", BRIDGE),
        ]
    ),
    count=st.integers(1, 40),
    seed=st.integers(0, 999),
)
def test_words_that_nobody_holds_make_no_question_surer(
    asked: tuple[str, tuple[Passage, ...]], count: int, seed: int
) -> None:
    question, passages = asked
    made_up = " ".join(f"qz{(seed + 7 * number) % 997}x" for number in range(count))
    longer = f"{question[:-1]} {made_up}?"
    assert judge(longer, passages).strength <= judge(question, passages).strength


# --- what is asked for --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who won the cup?", Kind.WHO),
        ("Where is the quay?", Kind.WHERE),
        ("When does the ferry leave?", Kind.WHEN),
        ("In what year was it built?", Kind.YEAR),
        ("How many days of leave do I have?", Kind.NUMBER),
        ("What is the height of the mast?", Kind.NUMBER),
        ("Why is the harbour closed?", Kind.WHY),
        ("Is the harbour open?", Kind.YES_OR_NO),
        ("How do I book a berth?", Kind.HOW),
        ("What is a berth?", Kind.DEFINITION),
        ("What happens when the fog comes?", Kind.OTHER),
        ("港口什么时候开放？", Kind.WHEN),
        ("港口有多少个泊位？", Kind.NUMBER),
        ("谁设计了大桥？", Kind.WHO),
        ("大桥在哪里？", Kind.WHERE),
        ("大桥是哪一年建成的？", Kind.YEAR),
        ("为什么关闭港口？", Kind.WHY),
        ("港口开放吗？", Kind.YES_OR_NO),
    ],
)
def test_a_question_tells_what_kind_of_thing_it_asks_for(question: str, kind: Kind) -> None:
    assert kind_of(question) is kind


@pytest.mark.parametrize(
    ("question", "text", "given"),
    [
        ("When was the quay built?", "The quay was built in 1998.", True),
        ("When was the quay built?", "The quay was built of stone.", False),
        ("What happened when the quay of 1998 fell?", "It fell.", None),
        ("How many boats came in 1998?", "In 1998 boats came.", False),
        ("How many boats came in 1998?", "In 1998 forty boats came.", True),
        ("Who built the quay of Larvik?", "In Larvik it was built by Nora Lind.", True),
        ("Who built the quay of Larvik?", "It was built in Larvik.", False),
        ("大桥是哪一年建成的？", "大桥于1998年建成。", True),
        ("大桥是哪一年建成的？", "大桥很长。", False),
    ],
)
def test_the_asked_kind_of_thing_must_be_new(question: str, text: str, given: bool | None) -> None:
    assert gives(kind_of(question), text, question) is given


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (
            "Hello! I wonder who can help me: When does the harbour open? Thanks a lot!",
            "When does the harbour open?",
        ),
        (
            "你好，请帮我查一下资料，港口什么时候开放？麻烦用两三句话回答，谢谢！",
            "港口什么时候开放？",
        ),
        ("Is it true that Ada: Queen of Ships sank?", "Is it true that Ada: Queen of Ships sank?"),
    ],
)
def test_courtesy_is_no_part_of_a_question(asked: str, kept: str) -> None:
    assert read_question(asked).text == kept


# --- names, numbers, opposites ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Who is Nora Lind of Larvik?", (("nora", "lind", "larvik"),)),
        ("What European country is it?", (("european",),)),
        ("WHO WON THE CUP OF LARVIK?", ()),
        ("Is the harbour open on Monday in March?", ()),
        ("《南江》的作者是谁？", (("南江",),)),
        ("MLS队伍是什么？", (("mls",),)),
    ],
)
def test_names_are_found(question: str, names: tuple[tuple[str, ...], ...]) -> None:
    assert find_names(question, read_question(question).language) == names


@pytest.mark.parametrize(
    ("name", "text", "there"),
    [
        ("victorian", "Queen Victoria", True),
        ("franc", "the French army", True),
        ("who", "the World Health Organization", True),
        ("vpn", "our virtual private network", True),
        ("appletalk", "Apple Talk is a protocol", True),
        ("napolean", "Napoleon came", True),
        ("london", "It was in Paris", False),
        ("norman", "a normal day", False),
    ],
)
def test_a_name_is_met_in_another_form(name: str, text: str, there: bool) -> None:
    forms = {term.form for term in read_question(text).order}
    assert Held(text, forms).has_name(name) is there


def test_a_year_between_two_is_met() -> None:
    held = Held("He ruled 1990–2004 and from 2010 to 2015.", {"1990", "2004", "2010", "2015"})
    assert [held.has_number(year) for year in ("1999", "2012", "2007", "2015")] == [
        True,
        True,
        False,
        True,
    ]


def test_what_a_chinese_document_has_nowhere_is_missing() -> None:
    text = "南江大桥于1998年建成通车。"
    held = Held(text, {term.form for term in read_question(text).order})
    there = find_missing_characters(read_question("南江大桥何时建成？").order, held)
    other = find_missing_characters(read_question("赫尔辛基大桥何时建成？").order, held)
    assert (there.longest, there.beginning) == (0, 0.0)
    assert other.longest == 4
    assert other.beginning > 0.5


def test_opposites_and_negations_are_seen() -> None:
    first, last = map(words_with_opposites, ("the first ferry", "the last ferry"))
    assert turned(first, last)
    assert not turned(first, first)
    assert turned(words_with_opposites("最早的渡轮"), words_with_opposites("最晚的渡轮"))
    assert negates("It does not open.")
    assert negates("港口没有开放")
    assert not negates("It opens at six and can be seen.")


# --- what is never quoted -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "sentence",
    [
        "The documents do not answer this question.",
        "Nobody knows when the ferry leaves, and the documents do not answer it.",
        "It was asked in 2024; Nothing in the documents of Larvik answers that.",
        "This question is not answered here.",
        "There is no information about the ferry.",
        "文档没有回答这个问题。",
        "没有人知道渡轮何时开，文档也没有回答。",
        "2024年有人问过，文档没有答案。",
        "See also: Ferries and their times.",
        "Thank you for asking when the ferry leaves.",
        "参见渡轮时刻表。",
    ],
)
def test_denials_courtesy_and_pointers_answer_nothing(sentence: str) -> None:
    assert answers_nothing(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "The ferry does not leave on Sundays.",
        "The document was signed in 1998.",
        "No dogs are allowed on board.",
        "渡轮星期天不开。",
        "该文件于1998年签署。",
    ],
)
def test_what_says_something_may_be_quoted(sentence: str) -> None:
    assert not answers_nothing(sentence)
    assert not asks(sentence)


def test_a_document_that_denies_is_not_quoted_even_alone() -> None:
    denying = shown(hit("The documents do not say when the ferry leaves.", title="Ferry"))
    assert choose_quotes("When does the ferry leave?", denying) == ()
