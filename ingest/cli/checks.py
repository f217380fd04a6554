"""What `clearance doctor` asks of ingestion: whether parsers are confined here."""

from collections.abc import Mapping

from indexes.cli.doctor.findings import Check, Finding, advice, good, wrong
from indexes.errors import ParsersNotConfined
from indexes.settings import Settings
from ingest.isolation.confinement import Confinement, Layer
from ingest.isolation.sandbox import Parsers

START_S = 60.0  # the process that parsers are forked from imports them all
_NAMESPACES = (
    "Allow user namespaces (sysctl kernel.unprivileged_userns_clone=1,"
    " kernel.apparmor_restrict_unprivileged_userns=0; in a container, a seccomp profile that allows"
    " unshare)."
)
_ANOTHER_USER = "Run everything as a user of its own, not as root."
_REMEDIES: Mapping[Layer, str] = {
    "files": "Use a kernel with Landlock (5.13 or newer, `landlock` in /sys/kernel/security/lsm).",
    "network": _NAMESPACES,
    "calls": "Use a kernel with seccomp filters, on x86_64 or aarch64.",
    "processes": _NAMESPACES,
    "signals": _NAMESPACES,
    "user": _ANOTHER_USER,
    "privileges": _ANOTHER_USER,
    "forks": _NAMESPACES,
}
_EXPOSED = "See which paths that are, and close them to other users."


def judge_confinement(held: Confinement, *, required: bool) -> Finding:
    """required: whether the settings ask for all of it."""
    if not held.missing and held.enough:
        return good(held.describe())
    remedy = " ".join(
        dict.fromkeys(
            [*(_REMEDIES[layer] for layer in held.missing), *([_EXPOSED] if held.exposed else [])]
        )
    )
    if not held.enough or required:
        return wrong(f"{held.describe()} Nothing is parsed.", remedy)
    return advice(held.describe(), remedy)


def look_at_confinement(settings: Settings) -> Finding:
    """Starts the parsers once, as an ingest does, and asks what holds them."""
    told: list[Confinement] = []
    one = settings.model_copy(update={"parse_workers": 1})
    with Parsers(one, tell=told.append) as parsers:
        try:
            told.append(parsers.check())
        except ParsersNotConfined:
            if not told:
                raise
    return judge_confinement(told[-1], required=settings.confinement == "require")


CHECKS = (Check("confinement", look_at_confinement, limit_s=START_S),)
