"""Who may read a file: what the command line, a manifest or an `.access.yaml` says.

The nearest rule wins, and nothing of the others is added to it.

Rule files are read from the descriptors of their folders (`ingest.tree`), and a link is no rule.
Everything here fails closed. A rule that cannot be read is never skipped in favour of one further
away, and a file that no rule names has no readers.
"""

import errno
import json
import os
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from indexes import attributes
from indexes.errors import BadInput, BadPrincipal, NoReaders
from indexes.lookalikes import ACCESS_FILE, find_lookalikes
from indexes.model import Readers, Scalar
from indexes.principals import check_rule

MAX_ACCESS_BYTES = 64 * 1024
MAX_ACCESS_DEPTH = 4
MAX_MANIFEST_LINE = 256 * 1024
# of metadata; the rest is for what a file says about itself
MAX_MANIFEST_ITEMS = attributes.MAX_ITEMS // 2
NOBODY = Readers(allow=frozenset())
_CLOCK_STEP_NS = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """What a manifest line says of one file; None if it says nothing."""

    readers: Readers | None = None
    title: str | None = None
    collection: str | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


class _AccessFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    allow: list[str]  # empty: nobody
    deny: list[str] = []


class _ManifestLine(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    file: str = Field(min_length=1)
    allow: list[str] | None = None  # empty: nobody. If None, the folder says
    deny: list[str] | None = None
    title: str | None = Field(None, min_length=1, max_length=1_000)
    collection: str | None = Field(None, min_length=1, max_length=200)
    metadata: dict[str, str | int | float | bool] = {}


FolderRule = Readers | NoReaders | None
"""The rule in a folder; NoReaders (not raised) if there is one that cannot be used; None if
there is none.
"""


class AccessRules:
    """Finds the one rule that governs a file. Make a new one for each run."""

    def __init__(
        self,
        command_line: Readers | None = None,
        manifest: Mapping[Path, ManifestEntry] | None = None,
    ) -> None:
        self._command_line = command_line
        self._manifest = manifest or {}
        # by what tells that a folder and its rule are as they were
        self._known: dict[tuple[int, ...], FolderRule] = {}

    @property
    def manifest_files(self) -> frozenset[Path]:
        """The files that the manifest names."""
        return frozenset(self._manifest)

    def entry_of(self, file: Path) -> ManifestEntry:
        return self._manifest.get(file, _SILENT) if self._manifest else _SILENT

    def readers(self, file: Path, folder_rule: FolderRule, of_source: Readers = NOBODY) -> Readers:
        """Who may read the file: command line, else manifest, else `folder_rule`, else its source.

        folder_rule: of the nearest folder that has one. of_source: the rule of the whole source;
        what it denies is denied whatever else is said. Raises NoReaders if nothing says so, or
        if the nearest rule cannot be understood.
        """
        given = self._command_line or self.entry_of(file).readers or folder_rule
        if isinstance(given, NoReaders):
            raise given
        if given is None and not of_source.allow:
            raise NoReaders("No rule in its folder or above it.")
        given = given or of_source
        if of_source.deny <= given.deny:
            return given
        return Readers(allow=given.allow, deny=given.deny | of_source.deny)

    def rule_in_folder(
        self, folder: int, name: str, stamp: tuple[int, ...] | None = None
    ) -> FolderRule:
        """The rule in this very folder, read from its descriptor.

        name: of the folder, for messages. stamp: the folder's at this moment, if it is known.
        """
        if self._command_line:
            return None
        try:
            state = _folder_state(folder, stamp)
            if state in self._known:
                return self._known[state]
            rule = _read_folder_rule(folder, name)
            # a change that follows at once might not show in the times of the file system
            if _last_change_ns(state) <= time.time_ns() - _CLOCK_STEP_NS:
                self._known[state] = rule
            return rule
        except OSError as error:
            return unusable_rule(
                f"{name}/{ACCESS_FILE}",
                f"its folder cannot be read: {error.strerror or error}",
            )


_SILENT = ManifestEntry()


def command_line_rule(allow: Iterable[str], deny: Iterable[str]) -> Readers | None:
    """The rule of `--allow` and `--deny`; None when neither is given. Raises BadInput."""
    readers = check_rule(allow, deny)
    if readers.deny and not readers.allow:
        raise BadInput(
            "--deny alone allows nobody.", remedy="Add --allow: this rule replaces those in files."
        )
    return readers if readers.allow else None


def narrow_readers(before: Readers, after: Readers) -> Readers:
    """Readers that both rules allow by name and neither denies.

    Safe while it is not known whether the stored text is still the file's text: a wider rule that
    was written for the new text must not open the old one.
    """
    return Readers(allow=before.allow & after.allow, deny=before.deny | after.deny)


def parse_rule(text: str, where: str = ACCESS_FILE) -> Readers:
    """The rule in the text of an `.access.yaml`; `allow: []` is a rule, too, and means nobody.

    where: the file as it is named to people. Raises NoReaders, with what is wrong, for anything but
    a valid rule.
    """
    try:
        wanted = _AccessFile.model_validate(yaml.load(text, Loader=_StrictLoader))
        return check_rule(wanted.allow, wanted.deny)
    except ValidationError as error:
        raise unusable_rule(where, _describe_errors(error)) from error
    except yaml.YAMLError as error:
        raise unusable_rule(
            where, "it is not valid YAML: " + " ".join(str(error).split())
        ) from error
    except BadPrincipal as error:
        raise unusable_rule(where, error.detail or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise unusable_rule(where, str(error) or "it is too deep") from error


def read_access_file(path: Path, folder: int | None = None) -> Readers:
    """The rule in an `.access.yaml`.

    Raises NoReaders, with what is wrong, for anything but a valid rule.

    folder: a descriptor of the folder it is in; the path is then a name for messages.
    """
    where = f"{path.parent.name}/{path.name}"
    try:
        text = _read_bounded(path, folder)
    except UnicodeDecodeError as error:
        raise unusable_rule(where, "it is not UTF-8") from error
    except OSError as error:
        why = (
            "it is a symbolic link"
            if error.errno == errno.ELOOP
            else f"it cannot be read: {error.strerror or error}"
        )
        raise unusable_rule(where, why) from error
    except ValueError as error:
        raise unusable_rule(where, str(error)) from error
    return parse_rule(text, where)


def check_names(folder: str, names: Iterable[str]) -> None:
    """Raises NoReaders if a folder holds files that somebody took for its rule. folder: as it is
    named to people.
    """
    if wrong := find_lookalikes(names):
        shown = ", ".join(
            ascii(name) if not name.isprintable() or not name.isascii() else name
            for name in wrong[:5]
        )
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise NoReaders(
            f"{folder} holds {shown}{more}: rules are read from {ACCESS_FILE} only, and this looks like one.",
            remedy=f"Rename it to {ACCESS_FILE} if it is the folder's rule; else give it another name or delete it.",
        )


def read_manifest(path: Path) -> dict[Path, ManifestEntry]:
    """What each line of a JSONL manifest says, by absolute file; `file` is relative to the
    manifest's folder.

    Raises BadInput naming the first wrong line: a manifest is taken whole or not at all.
    """
    entries: dict[Path, ManifestEntry] = {}
    try:
        with path.open(encoding="utf-8") as lines:
            # of the very file that is read
            folder = Path(f"/proc/self/fd/{lines.fileno()}").readlink().parent
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    file, entry = _manifest_entry(line, f"{path.name}, line {number}")
                    # not resolved further: a link is a file of its own and is refused as one
                    place = Path(os.path.normpath(folder / file))
                    if place in entries:
                        raise BadInput(f"{path.name}, line {number}: {file} was named before.")
                    entries[place] = entry
    except OSError as error:
        raise BadInput(f"The manifest {path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"The manifest {path} is not UTF-8.") from error
    return entries


def _check_attributes(line: _ManifestLine, where: str) -> None:
    """Raises BadInput."""
    if wrong := attributes.metadata_problem(line.metadata, MAX_MANIFEST_ITEMS):
        raise BadInput(f"{where}: metadata {wrong}.", remedy="Correct the line.")
    for name, text in (("title", line.title), ("collection", line.collection)):
        if text is not None and (wrong := attributes.text_problem(text, len(text))):
            raise BadInput(f"{where}: {name} {wrong}.", remedy="Correct the line.")


def _manifest_entry(line: str, where: str) -> tuple[str, ManifestEntry]:
    try:
        if len(line) > MAX_MANIFEST_LINE:
            raise BadInput(f"{where}: longer than {MAX_MANIFEST_LINE} characters.")
        wanted = _ManifestLine.model_validate(json.loads(line, object_pairs_hook=_refuse_repeats))
        if wanted.deny and wanted.allow is None:
            raise BadInput(
                f"{where}: `deny` without `allow`.", remedy="A rule says whom it allows."
            )
        readers = None if wanted.allow is None else check_rule(wanted.allow, wanted.deny or ())
    except ValidationError as error:
        raise BadInput(f"{where}: {_describe_errors(error)}.") from error
    except BadPrincipal as error:
        raise BadInput(f"{where}: {error.detail}", remedy=error.remedy) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: {error}.") from error
    _check_attributes(wanted, where)
    entry = ManifestEntry(
        readers=readers, title=wanted.title, collection=wanted.collection, metadata=wanted.metadata
    )
    return wanted.file, entry


def _read_folder_rule(folder: int, name: str) -> FolderRule:
    """Raises OSError for a folder that cannot be listed: what looks like a rule in it would not be
    seen.
    """
    try:
        names = os.listdir(folder)
        check_names(name or "/", names)
        return read_access_file(Path(name, ACCESS_FILE), folder) if ACCESS_FILE in names else None
    except NoReaders as error:
        return error


def file_stamp(about: os.stat_result) -> tuple[int, ...]:
    """Differs if the file was touched, or another one put in its place, between two looks."""
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _folder_state(folder: int, stamp: tuple[int, ...] | None) -> tuple[int, ...]:
    """What changes when a name comes into the folder or goes, or its rule is written to: the stamp
    of the folder, then that of its rule, if there is one.
    """
    state = stamp or file_stamp(os.fstat(folder))
    try:
        return state + file_stamp(os.stat(ACCESS_FILE, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return state


def _last_change_ns(state: tuple[int, ...]) -> int:
    return max(*state[3:5], *state[8:10])


def _read_bounded(path: Path, folder: int | None) -> str:
    # a FIFO must not hang the run
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path if folder is None else path.name, flags, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        content = file.read(MAX_ACCESS_BYTES + 1)
    if len(content) > MAX_ACCESS_BYTES:
        raise ValueError(f"it is larger than {MAX_ACCESS_BYTES // 1024} KiB")
    return content.decode("utf-8-sig")


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML without repeated keys (the last would win unseen), aliases, or depth (which costs
    quadratic time).
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("it uses YAML aliases")
        if self.depth == MAX_ACCESS_DEPTH:
            raise ValueError("it is too deep")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if repeated := {str(name) for name in names if names.count(name) > 1}:
            raise ValueError(f"it says {', '.join(sorted(repeated))} twice")
        return super().construct_mapping(node, deep)


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("a name stands twice in one object")
    return dict(pairs)


def _describe_errors(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in error.errors()[:5]
    )


def unusable_rule(where: str, why: str, remedy: str | None = None) -> NoReaders:
    """The problem of every file below a rule that cannot be used."""
    example = f"Write {ACCESS_FILE} like this: allow: [group:hr]"
    return NoReaders(f"{where} cannot be used: {why}.", remedy=remedy or example)
