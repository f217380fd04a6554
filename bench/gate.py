"""How many of the sentences that passages do not support get through the gate, and how many of those
that they do support are stopped.

    python -m bench.gate record --llm-url URL [--kind base]      (real answers, kept in --answers)
    python -m bench.gate report [--half held-out] [--json bench/results/gate.json]

`report` measures two things. Made sentences, whose label is known because of how they were made:

- `sentence`: a sentence of a shown passage as it stands; `number`, `name`, `not`: the same with a
  number, a name or a `not` changed; `elsewhere`: a sentence of a paragraph that is not shown
- `translated`: XQuAD, a sentence of the same paragraph in the other language; `translated-number`
  and so on: that one changed; `translated-near`: a sentence of the next paragraph of the article
- `statement`: a question made a statement with its right answer, which are other words than the
  passage's; `statement-wrong`: with something else of the same kind out of the same passage

Real answers of the packaged models, as `record` has kept them, with a label for each claim that was
given by reading it beside the passages (`--labels`: 1 if they say it, also if it answers nothing).
Questions and paragraphs are divided by a hash of their id: thresholds are chosen on `dev`, and
`held-out` is reported.
"""

import argparse
import asyncio
import json
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench.extractive import DATA, Corpus, half, passages, sample
from bench.extractive import rows as read_rows
from indexes import embedder as embedding
from indexes.model import Hit, Row
from indexes.settings import Settings
from indexes.text.scripts import script
from indexes.text.sentences import sentences
from service.answering.budget import PackingRequest, fit_prompt
from service.answering.citations import CitationWriter, FinishedSentence
from service.answering.claim_check import CheckedClaim, ClaimChecker
from service.answering.claims import Claim, ClaimFinder
from service.answering.meaning import Meaning, make_meaning
from service.answering.no_answer import is_no_answer
from service.answering.prompt import Excerpt, Passage, pack_passages
from service.answering.repetition import RepetitionWatch
from service.llm import open_model
from service.llm.port import LanguageModel
from service.templates.template import BUILT_IN, PromptStyle

SETS = ("squad2-dev-en", "cmrc2018-dev-zh")
RESULTS = Path(__file__).resolve().parent / "results"
SHOWN = 4  # passages
ANSWER_TOKENS = 64
SHORTEST = 15  # characters of a sentence that is made into a claim
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sentence with the passages that it is held against."""

    kind: str
    right: bool  # whether they support it
    text: str
    question: str
    shown: tuple[Passage, ...]


def as_passages(documents: Sequence[dict[str, Any]]) -> tuple[Passage, ...]:
    hits = [
        Hit(
            row=Row(n), id=row["_id"], document_id=row["_id"], title=row["title"], path=row["_id"], media_type="text/plain",
            collection="default", language=row["lang"], ordinal=0, text=row["text"], start=0, end=len(row["text"]),
            section=(), pages=(), page_kind=None, score=1 / n,
        )
        for n, row in enumerate(documents, start=1)
    ]  # fmt: skip
    return pack_passages([Excerpt(hit, len(hit.text)) for hit in hits])


# What is made


_AUXILIARY = re.compile(r"\b(?:was|were|is|are|had|has|can|could|would|will|did)\b")
_ZH_VERB = re.compile(r"(?<=[\u4e00-\u9fff])(?:是|位于|属于|能|可以|会|曾)(?=[\u4e00-\u9fff])")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_WHO = re.compile(
    r"^(?:Who|What|Which (?:\w+ ){1,3}?)(?= (?!is|are|was|were|did|do|does|has|have|had|can|could|would|will|should|the\b)\w+)"
)
_ZH_ASKS = re.compile(
    r"什么时候|什么地方|什么|哪一年|哪一[个位年月天]|哪[里儿年位个]|谁|多少(?=[^\s?？])|何时|何地"
)


def change(text: str, names: Sequence[str], chance: random.Random) -> dict[str, str]:
    """The sentence made wrong, by what was changed."""
    made: dict[str, str] = {}
    if numbers := re.findall(r"\d+", text):
        one = chance.choice(numbers)
        made["number"] = text.replace(one, str(int(one) + chance.randint(1, 9)), 1)
    if script(text) == "zh":
        if verb := _ZH_VERB.search(text):
            word = verb.group()
            denied = {"是": "不是", "位于": "不位于", "属于": "不属于"}.get(word, f"不{word}")
            made["not"] = text[: verb.start()] + denied + text[verb.end() :]
        return made
    if name := _NAME.search(text):
        others = [each for each in names if each not in text]
        made["name"] = text.replace(name.group(), chance.choice(others))
    if verb := _AUXILIARY.search(text):
        made["not"] = f"{text[: verb.end()]} not{text[verb.end() :]}"
    return made


def make_statement(question: str, answer: str) -> str | None:
    """The question as a statement with the answer in its place, where that is a matter of putting it
    there.
    """
    if script(question) == "zh":
        said, times = _ZH_ASKS.subn(answer, question, count=1)
        return said.rstrip("?？ ") + "。" if times else None
    said, times = _WHO.subn(answer, question.strip(), count=1)
    return said.rstrip("? ") + "." if times else None


def find_rival(answer: str, text: str, chance: random.Random) -> str | None:
    """Something else of the same kind in the same text: a number for a number, a name for a name."""
    if re.search(r"\d", answer):
        found = [each for each in re.findall(r"\d[\d,.]*\d|\d", text) if each not in answer]
        number = re.search(r"\d[\d,.]*\d|\d", answer)
        return answer.replace(number.group(), chance.choice(found), 1) if found and number else None
    if script(text) == "zh":
        found = [
            each
            for each in re.findall(r"[\u4e00-\u9fff]{2,12}", text)
            if abs(len(each) - len(answer)) <= 2 and each not in answer and answer not in each
        ]
    else:
        found = [each for each in _NAME.findall(text) if each not in answer and answer not in each]
        if not answer[:1].isupper():
            return None
    return chance.choice(found) if found else None


def made_of_set(name: str, which: str, count: int) -> Iterator[Labelled]:
    corpus = Corpus(DATA / "retrieval" / name)
    chance = random.Random(11)
    everything = list(corpus.documents.values())
    names = sorted({n for row in everything for n in _NAME.findall(row["text"])})
    for question in sample(DATA / "retrieval" / name, which, count, answerable=True):
        shown = passages(corpus, question, SHOWN, with_source=True)
        source = corpus.documents[question["source_doc"]]["text"]
        own = [source[a:b] for a, b in sentences(source) if b - a >= SHORTEST]
        asked = question["text"]
        if own:
            one = chance.choice(own)
            yield Labelled("sentence", True, one, asked, shown)
            for kind, text in change(one, names, chance).items():
                yield Labelled(kind, False, text, asked, shown)
        far = [row for row in everything if all(row["_id"] != each.id for each in shown)]
        other = chance.choice(far)["text"]
        if apart := [other[a:b] for a, b in sentences(other) if b - a >= SHORTEST]:
            yield Labelled("elsewhere", False, chance.choice(apart), asked, shown)
        answer = min(question["answers"], key=len)
        if said := make_statement(asked, answer):
            yield Labelled("statement", True, said, asked, shown)
            rival = find_rival(answer, source, chance)
            if rival and (wrong := make_statement(asked, rival)):
                yield Labelled("statement-wrong", False, wrong, asked, shown)


def made_of_translations(which: str, count: int) -> Iterator[Labelled]:
    """From XQuAD, in both directions, whose paragraphs are the same in English and Chinese."""
    documents = {
        row["_id"]: row for row in read_rows(DATA / "retrieval" / "xquad-en-zh" / "corpus.jsonl.gz")
    }
    ids = [name for name in documents if half(name[:-3]) == which]
    names = sorted({n for row in documents.values() for n in _NAME.findall(row["text"])})
    order = list(documents)
    chance = random.Random(12)
    chance.shuffle(ids)
    for name in islice(ids, count):
        row = documents[name]
        other = f"{name[:-3]}-{'zh' if row['lang'] == 'en' else 'en'}"
        shown = as_passages([documents[other]])
        own = [row["text"][a:b] for a, b in sentences(row["text"]) if b - a >= SHORTEST]
        one = chance.choice(own)
        yield Labelled("translated", True, one, "", shown)
        for kind, text in change(one, names, chance).items():
            yield Labelled(f"translated-{kind}", False, text, "", shown)
        same = [
            n
            for n in order
            if documents[n]["title"] == row["title"] and n[-3:] == name[-3:] and n != name
        ]
        if same:
            text = documents[chance.choice(same)]["text"]
            if apart := [text[a:b] for a, b in sentences(text) if b - a >= SHORTEST]:
                yield Labelled("translated-near", False, chance.choice(apart), "", shown)


def measure_made(which: str, count: int, meaning: Meaning | None, show: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for title, found in (
        *((name, made_of_set(name, which, count)) for name in SETS),
        ("xquad-en-zh", made_of_translations(which, count)),
    ):
        passed: dict[str, list[bool]] = {}
        for labelled in found:
            checker = ClaimChecker(labelled.question, labelled.shown, meaning)
            checked = checker.check(Claim(labelled.text, (0, len(labelled.text))))
            passed.setdefault(labelled.kind, []).append(checked.supported)
            if show and checked.supported != labelled.right:
                print(labelled.kind, checked.reason, "|", labelled.text)
        figures[title] = {
            kind: {"sentences": len(each), "let through": round(sum(each) / len(each), 3)}
            for kind, each in passed.items()
        }
    return figures


# Real answers


async def record(url: str, kind: str, file: Path) -> None:
    """Asks the served model, and keeps what it said, to the letter."""
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    settings = Settings(
        llm_url=url,
        llm_style="completion" if kind == "base" else "chat",
        llm_total_timeout_s=600,
        llm_first_token_timeout_s=600,
    )
    async with open_model(settings) as model:
        assert model is not None
        served = await model.served_model()
        known = {(each["model"], each["set"], each["id"]) for each in kept}
        waiting = [
            (name, question)
            for name, question in questions()
            if (served.name, name, question["_id"]) not in known
        ]
        places = asyncio.Semaphore(AT_ONCE)
        corpora = {name: Corpus(DATA / "retrieval" / name) for name in SETS}

        async def ask_one(name: str, question: dict[str, Any]) -> None:
            async with places:
                text = await ask(
                    model,
                    kind,
                    question["text"],
                    passages(corpora[name], question, SHOWN, with_source=True),
                )
            kept.append({"model": served.name, "set": name, "id": question["_id"], "text": text})
            kept.sort(key=lambda each: (each["model"], each["set"], each["id"]))
            file.write_text(json.dumps(kept, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

        await asyncio.gather(*(ask_one(name, question) for name, question in waiting))


def questions() -> Iterator[tuple[str, dict[str, Any]]]:
    """Forty of each set: twenty of each half, six of them without an answer where the set has such."""
    for name in SETS:
        for which in ("dev", "held-out"):
            without = sample(DATA / "retrieval" / name, which, 6, answerable=False)
            yield from ((name, each) for each in without)
            asked = sample(DATA / "retrieval" / name, which, 20 - len(without), answerable=True)
            yield from ((name, each) for each in asked)


async def ask(model: LanguageModel, kind: str, question: str, shown: Sequence[Passage]) -> str:
    """kind: how the name of the built-in template begins."""
    style: PromptStyle = "completion" if kind == "base" else "chat"
    template = next(
        each
        for each in BUILT_IN
        if (each.style, each.language) == (style, script(question)) and each.name.startswith(kind)
    )
    documents = [
        Hit(
            row=Row(each.n), id=each.id, document_id=each.document_id, title=each.title, path=each.path,
            media_type=each.media_type, collection="default", language=each.language, ordinal=0, text=each.text, start=0,
            end=len(each.text), section=(), pages=(), page_kind=None, score=each.score,
        )
        for each in shown
    ]  # fmt: skip
    request = PackingRequest(
        template=template, question=question, standalone=question, hits=tuple(documents), left_out=(), history=(),
        answer_tokens=ANSWER_TOKENS, view_id="bench", secret=b"bench",
    )  # fmt: skip
    fitted = await fit_prompt(request, model, (await model.served_model()).window)
    pieces = model.stream(
        fitted.prompt, max_tokens=fitted.answer_tokens, cache_salt="bench", stop=template.stop
    )
    async with aclosing(pieces):
        return "".join([piece.text async for piece in pieces])


def check_answer(
    text: str, question: str, shown: Sequence[Passage], meaning: Meaning | None
) -> tuple[bool, bool, list[tuple[str, CheckedClaim]]]:
    """Whether it was a loop, whether it is an abstention, and its claims."""
    watch = RepetitionWatch()
    writer = CitationWriter(shown, question)
    written = [*writer.feed(watch.take(text)), *writer.finish()]
    if is_no_answer(writer.bare):
        return watch.is_loop, True, []
    finder, checker = ClaimFinder(), ClaimChecker(question, shown, meaning)
    found = [
        finder.find(each.text, each.span) for each in written if isinstance(each, FinishedSentence)
    ]
    return watch.is_loop, False, [(each.text, checker.check(each)) for each in found if each]


def measure_answers(
    which: str, file: Path, labels: Path, meaning: Meaning | None, show: int
) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    labelled = json.loads(labels.read_text(encoding="utf-8")) if labels.exists() else {}
    corpora = {name: Corpus(DATA / "retrieval" / name) for name in SETS}
    asked = {(name, each["_id"]): each for name, each in questions()}
    for answer in json.loads(file.read_text(encoding="utf-8")):
        if half(answer["id"]) != which or (answer["set"], answer["id"]) not in asked:
            continue
        question = asked[answer["set"], answer["id"]]
        shown = passages(corpora[answer["set"]], question, SHOWN, with_source=True)
        loop, abstained, claims = check_answer(answer["text"], question["text"], shown, meaning)
        told = figures.setdefault(
            f"{answer['model']} {answer['set']}",
            dict.fromkeys(
                ("answers", "loops", "abstained", "claims", "supported", "labelled supported", "stopped",
                 "labelled unsupported", "let through"), 0
            ),
        )  # fmt: skip
        told["answers"] += 1
        told["loops"] += loop
        told["abstained"] += abstained
        told["claims"] += len(claims)
        told["supported"] += sum(claim.supported for _, claim in claims)
        key = f"{answer['model']} {answer['id']}"
        labels_of_it = labelled.get(key, [])
        for n, (text, claim) in enumerate(claims):
            right = labels_of_it[n] if n < len(labels_of_it) else None
            if show:
                print(f"{key} {n}\t{claim.supported} {claim.reason} label={right}")
                print(f"   {question['text']} | {question['answers'][:1]}\n   {text}")
            if right is not None:
                told["labelled supported" if right else "labelled unsupported"] += 1
                told["stopped"] += right and not claim.supported
                told["let through"] += claim.supported and not right
    return figures


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("what", choices=["record", "report"])
    options.add_argument("--answers", type=Path, default=RESULTS / "gate-answers.json")
    options.add_argument("--labels", type=Path, default=RESULTS / "gate-labels.json")
    options.add_argument("--llm-url", help="of the model server, for `record`")
    options.add_argument(
        "--kind", choices=["chat", "small", "base"], default="chat", help="of built-in template"
    )
    options.add_argument(
        "--home", type=Path, default=Path("var"), help="where the embedding model is kept"
    )
    options.add_argument("--half", choices=["dev", "held-out"], default="dev")
    options.add_argument(
        "--questions", type=int, default=200, help="of each set, for made sentences"
    )
    options.add_argument("--words-alone", action="store_true", help="without asking for meaning")
    options.add_argument(
        "--show", type=int, default=0, help="1: print what was judged wrong, and every claim"
    )
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    if given.what == "record":
        asyncio.run(record(given.llm_url, given.kind, given.answers))
        return
    meaning = None if given.words_alone else make_meaning(embedding.load(Settings(home=given.home)))
    figures: dict[str, Any] = {"half": given.half}
    if given.questions:
        figures["made"] = measure_made(given.half, given.questions, meaning, given.show)
    if given.answers.exists():
        figures["answers"] = measure_answers(
            given.half, given.answers, given.labels, meaning, given.show
        )
    print(json.dumps(figures, indent=1, ensure_ascii=False))
    if given.json:
        given.json.write_text(
            json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
