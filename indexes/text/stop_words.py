"""Small words: those that say nothing about what a text is about, once, for everybody."""

import re
from collections.abc import Mapping

ARTICLES = frozenset({"a", "an", "the"})

_ENGLISH = """
    a an and are as at be been being but by can could did do does for from had has have having
    he her hers him his how i if in into is it its itself me my no nor not of on or our out over
    own per shall she should so some such than that the their theirs them then there these they
    this those through to too under until up us very was we were what when where which while who
    whom whose why will with would you your yours about after before between during many much
    name named called also any each other same just only more most kind type someone something
"""
ENGLISH = frozenset(_ENGLISH.split())
"""Words of English that are left out when contents are compared."""

CHINESE_IN_QUESTIONS = re.compile(
    "为什么|为何|什么时候|什么样|什么地方|什么|怎么样|怎么|怎样|如何"
    "|哪里|哪儿|哪个|哪些|哪一|哪年|哪种|哪位|哪|何时|何地|何处|何人|何种|何"
    "|多少|多久|多长|多大|多高|多远|几个|几年|几|谁|是否|请问|吗|呢|吧"
    "|的|了|是|在|有|和|与|及|或|被|把|将|于|之|其|这|那|为|从|对|由|以|也|都|就|要|会"
)
"""Question words and particles of Chinese.

Only in a question do they stand for themselves; in a text they may be parts of words.
"""

FREQUENT: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the of and to in is that for it with as was on "
        "are be this by from or an not have which at",
        "de": "der die das und ist nicht ein eine den von zu mit "
        "sich des auf für dem im als auch werden wird",
        "fr": "le la les des est une dans que qui pour sur "
        "pas avec au ce sont par il plus du et aux",
        "es": "el los las que del una por con para es su se no al lo como más pero sus este está",
        "it": "il di che la per un una non sono del con le si da della nel alla più come anche gli",
        "pt": "os que não uma para com por dos como mais ao das foi se em do da na no é são",
        "nl": "de het een van en is dat op te zijn voor met niet aan er door ook bij wordt naar",
    }.items()
}
"""The most frequent words of languages with Latin letters, by which a text tells its language."""
