"""Own readers narrow: whoever may read under them may read under the rule alone, whatever groups people
are in.
"""

from hypothesis import given
from hypothesis import strategies as st

from indexes.model import PUBLIC, OwnReaders, Readers

NAMES = (PUBLIC, "group:a", "group:b", "group:c", "user:x")
names = st.frozensets(st.sampled_from(NAMES))
rules = st.builds(Readers, allow=names, deny=names)
owns = st.builds(OwnReaders, allow=st.none() | names, deny=names)
people = st.frozensets(st.sampled_from(NAMES[1:])).map(lambda found: found | {PUBLIC})


def may_read(who: frozenset[str], readers: Readers) -> bool:
    return bool(who & readers.allow) and not who & readers.deny


@given(people, rules, owns)
def test_nobody_reads_who_may_not_by_the_rule_or_by_the_own_readers(who, rule, own):
    if may_read(who, own.under(rule)):
        assert may_read(who, rule)
        allowed = rule.allow if own.allow is None else own.allow
        assert may_read(who, Readers(allow=allowed, deny=own.deny))


@given(people, rules, owns)
def test_what_goes_not_beyond_the_rule_is_kept_whole(who, rule, own):
    if own.allow is not None and not own.beyond(rule) and PUBLIC not in own.allow:
        assert own.under(rule).allow == own.allow


@given(people, rules, owns, owns)
def test_both_of_two_let_nobody_in_whom_one_keeps_out(who, rule, one, other):
    if may_read(who, one.and_also(other).under(rule)):
        assert may_read(who, one.under(rule))
        assert may_read(who, other.under(rule))


@given(rules)
def test_without_own_readers_the_rule_holds(rule):
    assert OwnReaders().under(rule) == rule
    assert OwnReaders(allow=rule.allow).under(rule) == rule
