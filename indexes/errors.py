"""Everything that can go wrong on purpose, as one tree.

ClearanceError
├── BadInput                  the caller can mend it
│   ├── BadPrincipal          a user, group or reader name that cannot be one
│   │   └── UnknownPrincipal  a rule names somebody whom nobody has declared
│   ├── StillDenied           rules deny what is to be removed; they would deny nobody then
│   ├── BadFilter             a filter that names an unknown field or contradicts itself
│   ├── BadConfiguration      settings that cannot start a process
│   ├── TooLarge              an upload over the limit of its size
│   ├── KeyReused             an Idempotency-Key that came with another request before
│   ├── Conflict              what it is asked of is not in a state for it
│   │   └── Superseded        something newer was asked for the same path
│   └── QuestionTooLong       the question alone does not fit the model's context window
├── NotFound                  it does not exist, or the caller may not read it: the two look the same
│   └── NoSuchModel           a language model that is not served, or not to this caller
├── AlreadyExists             a user, group or key of that name is there
├── NotAuthenticated          no key, a wrong key, a revoked or expired key
├── NotPermitted              a valid key without the scope that the operation needs
│   └── NotAWriter            what may be read there may not be changed by this caller
├── ForeignOrigin             a page of somebody else's uses the browser of who asks
├── ProviderUnavailable       an identity provider cannot be asked now (retry)
├── TooManyUploads            this caller's uploads wait for a worker already (retry)
├── Cancelled                 a job that was told to end
├── Withdrawn                 what an answer was being made from may not be read any more (retry)
├── Busy                      another process holds what is needed (retry)
│   └── LeaseLost             a job was not kept by its worker; another one may do it now
├── ShuttingDown              this process ends; what it was doing is taken up again (retry)
├── TooOld                    this process cannot see a state as fresh as demanded yet (retry)
├── StorageFull               the disk that holds the catalog is full (retry)
├── SourceError               one source file could not become a document (a line in the report)
│   ├── SourceUnavailable     it could not be read now (retry)
│   ├── SourceRefused         its kind, size or encryption is not accepted
│   ├── SourceBroken          it is damaged
│   ├── SourceEmpty           it was read and has no text
│   ├── SourceTooCostly       it went over a time or memory limit
│   ├── ParsersNotConfined    nothing may be parsed here: what reads it could reach secrets or the network
│   └── NoReaders             nothing says who may read it
├── GeneratorError            the model server
│   ├── GeneratorUnavailable  not there, or refusing (retry)
│   ├── GeneratorTimeout      too slow (retry)
│   └── GeneratorBroken       it answered with something that is no answer
└── CorpusError               the corpus itself
    ├── ModelMismatch         the index was built with another embedding model
    ├── VectorsDiffer         new vectors find too little of what the former ones find
    ├── SchemaMismatch        the catalog was written by a newer version
    ├── UnsafeDatabase        a database library with a known corruption bug
    ├── CatalogUnavailable    its database cannot be reached or used (retry)
    ├── IndexDamaged          a derived file does not verify (it is rebuilt, never trusted)
    └── IndexNotReady         the indexes in memory are being built anew (retry)

A class's docstring is its message; what is raised adds the particulars.
"""

from typing import ClassVar


class ClearanceError(Exception):
    """Something went wrong."""

    retryable: ClassVar[bool] = False
    remedy: str | None = None

    def __init__(self, detail: str | None = None, *, remedy: str | None = None) -> None:
        message = (type(self).__doc__ or "").strip()
        self.detail = detail
        if remedy is not None:
            self.remedy = remedy
        super().__init__(f"{message} {detail}" if detail else message)


class BadInput(ClearanceError):
    """The request cannot be carried out as it stands."""


class BadPrincipal(BadInput):
    """That is not the name of a user, a group or `public`."""


class UnknownPrincipal(BadPrincipal):
    """A rule names somebody who is not known."""


class StillDenied(BadInput):
    """Rules deny it."""


class BadFilter(BadInput):
    """The filter cannot be applied."""


class BadConfiguration(BadInput):
    """The configuration cannot be used."""


class TooLarge(BadInput):
    """The upload is too large."""


class KeyReused(BadInput):
    """That Idempotency-Key came with another request before."""


class QuestionTooLong(BadInput):
    """The question alone does not fit the model's context window."""


class NotFound(ClearanceError):
    """There is nothing by that name."""


class NoSuchModel(NotFound):
    """There is no language model by that name."""


class AlreadyExists(ClearanceError):
    """There is already one by that name."""


class NotAuthenticated(ClearanceError):
    """A valid API key is needed."""


class NotPermitted(ClearanceError):
    """This key does not carry the scope that the operation needs."""


class ForeignOrigin(ClearanceError):
    """The request comes from a page that may not use this address."""


class ProviderUnavailable(ClearanceError):
    """The identity provider cannot be reached, or what it says makes no sense."""

    retryable = True


class NotAWriter(NotPermitted):
    """You may read that, and not change it."""


class Conflict(BadInput):
    """That cannot be done in its present state."""


class Superseded(Conflict):
    """Something newer was asked for the same path."""


class TooManyUploads(ClearanceError):
    """Too many of your uploads wait."""

    retryable = True


class Cancelled(ClearanceError):
    """The job was cancelled."""


class Withdrawn(ClearanceError):
    """Something that this answer was being made from is not there for you any more."""

    retryable = True
    remedy = "Ask again: the answer is then made from what you may read now."


class Busy(ClearanceError):
    """Another process is using what this operation needs."""

    retryable = True


class LeaseLost(Busy):
    """The job belongs to another worker now."""


class ShuttingDown(ClearanceError):
    """This process is going down."""

    retryable = True


class TooOld(ClearanceError):
    """This process cannot see a state as fresh as demanded yet."""

    retryable = True


class StorageFull(ClearanceError):
    """The disk is full."""

    retryable = True
    remedy = "Free some space, then run it again."


class SourceError(ClearanceError):
    """The file could not become a document."""


class SourceUnavailable(SourceError):
    """The file could not be read now."""

    retryable = True


class SourceRefused(SourceError):
    """The file is not accepted."""


class SourceBroken(SourceError):
    """The file is damaged."""


class SourceEmpty(SourceError):
    """The file has no text."""


class SourceTooCostly(SourceError):
    """The file went over a time or memory limit."""


class ParsersNotConfined(SourceError):
    """The processes that read documents cannot be confined here."""

    remedy = "See docs/decisions/0016-parsers-are-confined.md for what the kernel has to allow."


class NoReaders(SourceError):
    """Nothing says who may read the file."""

    remedy = "Pass --allow, or put a .access.yaml into its folder or a parent folder."


class GeneratorError(ClearanceError):
    """The language model did not answer."""


class GeneratorUnavailable(GeneratorError):
    """The model server cannot be reached or refuses work."""

    retryable = True


class GeneratorTimeout(GeneratorError):
    """The model server is too slow."""

    retryable = True


class GeneratorBroken(GeneratorError):
    """The model server sent something that is not an answer."""


class CorpusError(ClearanceError):
    """The corpus cannot be used."""


class ModelMismatch(CorpusError):
    """The index was built with another embedding model."""


class VectorsDiffer(CorpusError):
    """The new vectors find too little of what the former ones find."""


class SchemaMismatch(CorpusError):
    """The catalog was written by a newer version of Clearance."""


class UnsafeDatabase(CorpusError):
    """The database library has a known corruption bug."""


class CatalogUnavailable(CorpusError):
    """The catalog cannot be used."""

    retryable = True
    remedy = "Check that the database runs, and CLEARANCE_DATABASE_URL or CLEARANCE_HOME."


class IndexDamaged(CorpusError):
    """A derived index file does not verify."""


class IndexNotReady(CorpusError):
    """The indexes are being built anew from the catalog."""

    retryable = True
    remedy = "Try again in a moment; if it goes on, the log says why the build fails."
