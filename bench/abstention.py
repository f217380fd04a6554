"""Does a threshold of evidence that was calibrated on one set hold on others?

Everything through the real search.

    python -m bench.abstention --home FOLDER [--mode hybrid] [--questions 400] [--json FILE]

Sets are embedded into the home folder once, with their permissions. Users with an empty view are
left out. Answerable:

    answer      the asker may read a document that answers
    wordy       the same in many polite words
    alone       asked of the document that answers, and of nothing else
    crossed     answered in the other language only (XQuAD)

Not answerable:

    hidden      answered by documents that the asker may not read
    beside      asked of one document, which does not answer
    lookalike   written to look answerable (SQuAD 2.0)
    off-corpus  its article is not there (CMRC)
    foreign     a question of another set
"""

import argparse
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from bench.labelled import rows, store
from indexes import embedder as embedding
from indexes.catalog import Catalog
from indexes.catalog.filters import Filters
from indexes.model import Mode, SearchResult
from indexes.search.searcher import Searcher
from indexes.settings import Settings
from indexes.text.scripts import Script, script
from service.answering.evidence import PACKAGED
from service.evaluation.calibration import MeasuredQuestion, measure_evidence
from service.evaluation.cases import Case

SETS = ("squad2-dev-en", "xquad-en-zh", "cmrc2018-dev-zh", "handbook18f-en")
FOREIGN = {
    "squad2-dev-en": ("handbook18f-en", "scifact-en", "cmrc2018-dev-zh"),
    "xquad-en-zh": ("handbook18f-en", "scifact-en", "cmrc2018-dev-zh"),
    "cmrc2018-dev-zh": ("handbook18f-en", "squad2-dev-en"),
    "handbook18f-en": ("squad2-dev-en", "scifact-en", "cmrc2018-dev-zh"),
}
ANSWERABLE = frozenset({"answer", "wordy", "alone", "crossed"})
WORDY: dict[Script, str] = {  # not the words that calibration uses
    "en": "hi, quick question about something a colleague asked yesterday in our meeting and nobody could tell: {}",
    "zh": "昨天开会的时候有位同事问了一个问题，大家都不知道，想请教一下：{}",
}
ENOUGH = 20  # questions in a group, for a share of them to say anything
SHARES = (0.01, 0.02, 0.05)
Group = tuple[str, Script, str]  # set, language of the question, kind


@dataclass(frozen=True, slots=True)
class AskedCase:
    """A case, and where it is asked."""

    case: Case
    within: Filters | None = None


@dataclass(frozen=True, slots=True)
class Labelled:
    """A set's questions, with who may ask them."""

    name: str
    readers: dict[str, set[str]]  # users by document

    def choose_cases(self, wanted: int) -> dict[str, list[AskedCase]]:
        """By kind, the same ones in every run."""
        texts = {row["_id"]: row for row in rows(self.name, "queries")}
        found = self._choose_permitted_cases(texts, wanted)
        never = [row for row in texts.values() if not row["answerable"]]
        if never:
            kind = "lookalike" if self.name.startswith("squad") else "off-corpus"
            found[kind] = [
                _make_case(kind, row, self._reader(row)) for row in _draw_sample(never, wanted, _id)
            ]
        found["foreign"] = [
            _make_case("foreign", row, self._reader(row))
            for other in FOREIGN[self.name]
            for row in _draw_sample(list(rows(other, "queries")), wanted // 3, _id)
        ]
        if self.name == "xquad-en-zh":
            other = {"en": Filters(language="zh"), "zh": Filters(language="en")}
            those = _draw_sample(list(texts.values()), wanted, _id)
            found["crossed"] = [
                _make_case("crossed", row, self._reader(row), other[row["lang"]]) for row in those
            ]
        return found

    def _choose_permitted_cases(
        self, texts: dict[str, dict[str, Any]], wanted: int
    ) -> dict[str, list[AskedCase]]:
        found: dict[str, list[AskedCase]] = {
            kind: [] for kind in ("answer", "wordy", "alone", "beside", "hidden")
        }
        cases = _draw_sample(
            list(rows(self.name, "acl_queries")),
            10 * wanted,
            lambda row: row["query_id"] + row["user_id"],
        )
        for row in [row for row in cases if row["expect"] == "answer"][:wanted]:
            query, user = texts[row["query_id"]], row["user_id"]
            found["answer"].append(_make_case("answer", query, user))
            text = WORDY[script(query["text"])].format(query["text"])
            found["wordy"].append(_make_case("wordy", {**query, "text": text}, user))
            document = row["visible_relevant"][0]
            found["alone"].append(_make_case("alone", query, user, Filters(path_prefix=document)))
            if others := self._others(user, document):
                another = Filters(path_prefix=others[_number(query["_id"]) % len(others)])
                found["beside"].append(_make_case("beside", query, user, another))
        for row in [row for row in cases if row["expect"] == "abstain" and row["hidden_relevant"]][
            :wanted
        ]:
            found["hidden"].append(_make_case("hidden", texts[row["query_id"]], row["user_id"]))
        return found

    def _others(self, user: str, document: str) -> list[str]:
        """What else the user may read, in the same language."""
        ending = document[-3:] if self.name == "xquad-en-zh" else ""
        return sorted(
            d
            for d, who in self.readers.items()
            if user in who and d != document and d.endswith(ending)
        )

    def _reader(self, row: dict[str, Any]) -> str:
        """Somebody who may read the document that the question was written from; anybody, where it
        is not here.
        """
        everybody = set[str]().union(*self.readers.values())
        can = sorted(self.readers.get(row.get("source_doc", ""), set()) or everybody)
        return can[_number(row["_id"]) % len(can)]


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--home", type=Path, required=True)
    options.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    options.add_argument("--mode", choices=get_args(Mode), default="hybrid")
    options.add_argument("--questions", type=int, default=400, help="of each kind and set")
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    found: dict[Group, list[MeasuredQuestion]] = {}
    for name in given.sets:
        for key, those in measure_model(
            name, given.home / name, given.mode, given.questions
        ).items():
            found[key] = those
    shares = (*separation(found), *transfer(found), *measure_packaged(found, given.mode))
    results = [{"mode": given.mode, **row} for row in shares]
    for row in results:
        print("  ".join(f"{key}={value}" for key, value in row.items()))
    if given.json:
        given.json.write_text(json.dumps(results, indent=1, ensure_ascii=False), encoding="utf-8")


def measure_model(
    name: str, home: Path, mode: Mode, wanted: int
) -> dict[Group, list[MeasuredQuestion]]:
    """The evidence for every question of a set, by language and kind."""
    settings = Settings(home=home)
    embedder = embedding.load(settings)
    catalog = Catalog.open(settings.catalog_url)
    readers = store(name, catalog, embedder, settings)
    searcher = Searcher(catalog, embedder, settings)
    found: dict[Group, list[MeasuredQuestion]] = {}
    for kind, those in Labelled(name, readers).choose_cases(wanted).items():
        for each in those:
            narrowed: Any = _Narrowed(partial(searcher.search, filters=each.within))
            group = found.setdefault((name, script(each.case.question), kind), [])
            group += measure_evidence(narrowed, [each.case], mode=mode, wordy=kind == "answer")
    catalog.close()
    return found


@dataclass(frozen=True, slots=True)
class _Narrowed:
    """A searcher that looks at some documents only."""

    search: Callable[..., SearchResult]


def separation(found: dict[Group, list[MeasuredQuestion]]) -> Iterable[dict[str, Any]]:
    """How well evidence tells answerable questions from others of the same set, asked in the
    documents' language.
    """
    for (name, language, kind), those in sorted(found.items()):
        yes, no = (_finite(group) for group in (found.get((name, language, "answer"), []), those))
        if kind not in ANSWERABLE and min(len(yes), len(no)) >= ENOUGH:
            below = (np.searchsorted(no, yes, "left") + np.searchsorted(no, yes, "right")) / 2
            yield {
                "set": name,
                "language": language,
                "kind": kind,
                "questions": len(those),
                "in its language": round(len(no) / len(those), 3),
                "AUC": round(float(below.mean()) / len(no), 3),
            }


def transfer(found: dict[Group, list[MeasuredQuestion]]) -> Iterable[dict[str, Any]]:
    """What a threshold chosen on half of one set refuses of each kind; on its own set, of the other
    half.
    """
    for (name, language, kind), those in sorted(found.items()):
        if kind != "answer" or len(those) < ENOUGH:
            continue
        for max_refused_share in SHARES:
            threshold = choose_threshold(
                [one for one in those if one.is_for_choosing], max_refused_share
            )
            tried = {
                group: [one for one in these if group[0] != name or not one.is_for_choosing]
                for group, these in found.items()
            }
            about = {"chosen on": name, "max_refused_share": max_refused_share}
            yield {**about, **_share_refused(tried, language, threshold)}


def choose_threshold(answerable: Sequence[MeasuredQuestion], max_refused_share: float) -> float:
    """The threshold that refuses at most this share of these, and of these asked in many words."""
    wordy = [one.wordy for one in answerable if one.wordy is not None]
    plain = threshold_of([one.evidence for one in answerable], max_refused_share)
    return min(plain, threshold_of(wordy, max_refused_share)) if wordy else plain


def threshold_of(answerable: Sequence[float], max_refused_share: float) -> float:
    """The highest, to four digits, that at most this share of these is below."""
    ranked = sorted(answerable)
    lowest_kept = ranked[math.floor(max_refused_share * len(ranked))] if ranked else 0.0
    return math.floor(10_000 * lowest_kept) / 10_000 if math.isfinite(lowest_kept) else 0.0


def measure_packaged(
    found: dict[Group, list[MeasuredQuestion]], mode: Mode
) -> Iterable[dict[str, Any]]:
    """What the thresholds refuse that come with the model."""
    thresholds = next(iter(PACKAGED.values()))
    for language in ("en", "zh"):
        if threshold := thresholds.get((mode, language)):
            yield {"chosen on": "(packaged)", **_share_refused(found, language, threshold)}


def _share_refused(
    found: dict[Group, list[MeasuredQuestion]], language: Script, threshold: float
) -> dict[str, Any]:
    shares = {
        f"{name} {kind}": round(sum(one.evidence < threshold for one in those) / len(those), 3)
        for (name, spoken, kind), those in sorted(found.items())
        if spoken == language and len(those) >= ENOUGH
    }
    return {"language": language, "threshold": threshold, **shares}


def _finite(measured: Iterable[MeasuredQuestion]) -> NDArray[np.float64]:
    return np.sort([one.evidence for one in measured if np.isfinite(one.evidence)])


def _make_case(
    kind: str, row: dict[str, Any], user: str, within: Filters | None = None
) -> AskedCase:
    case = Case(
        id=row["_id"], question=row["text"], user=f"user:{user}", answerable=kind in ANSWERABLE
    )
    return AskedCase(case, within)


def _draw_sample(items: Sequence[Any], wanted: int, key: Callable[[Any], str]) -> list[Any]:
    return sorted(items, key=lambda item: _number(key(item)))[:wanted]


def _id(row: dict[str, Any]) -> str:
    return str(row["_id"])


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])


if __name__ == "__main__":
    main()
