"""The tables of the catalog. The migrations must lead to exactly this; a test compares the two."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts up automatically only on plain INTEGER keys
Id = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """An aware moment, kept as UTC without a zone on every database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def _table(name: str, *columns: Any) -> Table:
    # an id that was used once is never used again
    return Table(name, metadata, *columns, sqlite_autoincrement=True)


installation = Table(
    "installation",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

states = _table(
    "states",
    # grows with every change; the newest is what a reader sees
    Column("number", Id, primary_key=True),
    # random: tells this catalog from a copy that went another way
    Column("token", LargeBinary(16), nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("kind", String(16), primary_key=True),  # a ChangeKind
    Column("number", Id, nullable=False),  # of the state that the newest change of this kind led to
)

document_changes = Table(
    "document_changes",
    metadata,
    # one that held the document before the change or after it
    Column("reader_set_id", Id, primary_key=True),
    Column("document_id", Id, primary_key=True),
    # of the newest change of this document that touched this reader set
    Column("number", Id, nullable=False),
    Index("ix_document_changes_number", "number"),
    Index("ix_document_changes_reader_set_id_number", "reader_set_id", "number"),
)

principals = _table(
    "principals",
    Column("id", Id, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    # 1: declared and not disabled, so it counts; 0: in any other state
    Column("known", Integer, nullable=False),
    Column(
        "state", String(16), nullable=False, server_default="named"
    ),  # named (by a rule only) | active | disabled | removed
    Column(
        "external", Integer, nullable=False, server_default="0"
    ),  # 1: a group whose members the identity provider names
    Column(
        "changed", Id, nullable=False, default=0, server_default="0"
    ),  # number of the newest change of its groups, or of what counts of it
    Index("ix_principals_external", "external"),
)

principal_aliases = Table(
    "principal_aliases",
    metadata,
    # a former name: rule files may still say it, nothing else
    Column("name", String(255), primary_key=True),
    Column("principal_id", Id, ForeignKey("principals.id"), nullable=False),
    Index("ix_principal_aliases_principal_id", "principal_id"),
)

principal_shapes = Table(
    "principal_shapes",
    metadata,
    # a hash of what a declared or former name looks like
    Column("shape", String(64), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("principal_id", Id, ForeignKey("principals.id"), nullable=False),
    Index("ix_principal_shapes_principal_id", "principal_id"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("member_id", Id, ForeignKey("principals.id"), primary_key=True),
    Column("group_id", Id, ForeignKey("principals.id"), primary_key=True),
    Index("ix_memberships_group_id", "group_id"),
)

directory_entries = Table(
    "directory_entries",
    metadata,
    # a user or group that a directory keeps (SCIM)
    Column("principal_id", Id, ForeignKey("principals.id"), primary_key=True),
    Column("public_id", String(36), nullable=False, unique=True),  # random, for ever the same
    Column("kind", String(8), nullable=False),  # user | group
    Column("name", String(255), nullable=False),  # as the directory writes it
    Column("folded", Text, nullable=False),  # the name as its filters compare it
    Column("external_id", String(255)),  # the directory's own id for it
    Column("active", Boolean),  # as the directory said last; null if it says nothing any more
    # 1: the directory has taken a user out, whatever it says since
    Column("shut_out", Integer, nullable=False),
    # 1: an operator has disabled it, whatever the directory says
    Column("held", Integer, nullable=False, server_default="0"),
    Column("attributes", JSON, nullable=False),  # what else it tells; nothing decides by them
    Column("version", Integer, nullable=False),  # counts its changes
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("left_at", Moment),  # the directory has deleted it: it does not see it any more
    Index("ix_directory_entries_kind_folded", "kind", "folded"),
    Index("ix_directory_entries_external_id", "external_id"),
)

reader_sets = _table(
    "reader_sets",
    Column("id", Id, primary_key=True),
    Column("fingerprint", String(64), nullable=False, unique=True),
    # number of the newest change that touched it
    Column("changed", Id, nullable=False, default=0, server_default="0"),
    Index("ix_reader_sets_changed", "changed"),
)

reader_set_entries = Table(
    "reader_set_entries",
    metadata,
    Column("principal_id", Id, ForeignKey("principals.id"), primary_key=True),
    Column("effect", String(8), primary_key=True),  # allow | deny
    Column("reader_set_id", Id, ForeignKey("reader_sets.id"), primary_key=True),
    Index("ix_reader_set_entries_reader_set_id_effect", "reader_set_id", "effect"),
)

generations = _table(
    "generations",
    Column("id", Id, primary_key=True),
    Column("model", String(512), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # building | ready | active | retired
    Column("settings", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("job_id", String(32)),  # the job that builds it or built it; its public id
    Column("activated_at", Moment),  # when searches began to use it, the last time
    Index(
        "ix_generations_one_active",
        "state",
        unique=True,
        sqlite_where=text("state = 'active'"),  # and so on PostgreSQL, as migration 0001 made it:
        # to say so here would load that dialect for every command
    ),
)

sources = _table(
    "sources",
    Column("id", Id, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("root", Text, nullable=False),  # where it was seen last, percent-encoded
    Column("shown", Text, nullable=False),  # what the paths of its documents begin with
    Column("loose", Integer, nullable=False),  # 1: single files of a folder
    Column("named", Integer, nullable=False),  # 1: by an administrator
    Column("reader_set_id", Id, ForeignKey("reader_sets.id"), nullable=False),  # the outermost rule
    Column("writer_set_id", Id),  # who may upload, replace and delete there; null: nobody
)

overrides = Table(
    "overrides",
    metadata,
    # of a file in a source; of an archive, it holds for all that is in it
    Column("uri", Text, primary_key=True),
    Column("source_id", Id, nullable=False),
    Column("own_kind", Integer, nullable=False),  # 0: none, 1: `deny` alone, 2: `allow` and `deny`
    Column("own_set_id", Id),  # own readers, which narrow the rule
    # the rule of the place, as the last run found it, if there are own readers
    Column("rule_set_id", Id),
    Column("title", Text),
    Column("collection", String(255)),
    Column("metadata", JSON, nullable=False),
    Column("deleted", Integer, nullable=False),  # 1: no document, whatever file is there
    Column("newest_job", Id, nullable=False),  # that concerns this path; older ones have no say
    Index("ix_overrides_source_id", "source_id"),
)

blobs = Table(
    "blobs",
    metadata,
    Column("public_id", String(32), primary_key=True),
    Column("owner_id", Id, nullable=False),
    Column("size", Id, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("job_id", String(32)),  # that uses it
    Column("expires_at", Moment, nullable=False),
    Index("ix_blobs_owner_id", "owner_id"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("job_id", String(32), primary_key=True),
    Column("uri", Text, nullable=False),
    Column("source_id", Id, nullable=False),
    Column("blob_id", String(32)),  # null: its bytes are in their place
    Column("is_new", Integer, nullable=False, server_default="0"),  # 1: there was no file before
    Column("own_kind", Integer, nullable=False),  # as of overrides; 0: as it is
    Column("own_set_id", Id),
    Column("title", Text),
    Column("collection", String(255)),
    Column("metadata", JSON),
    Index("ix_uploads_uri", "uri"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner_id", Id, primary_key=True, autoincrement=False),
    Column("key", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),  # of the request that it came with first
    Column("job_id", String(32), nullable=False),
    Column("expires_at", Moment, nullable=False),
)

ingest_failures = Table(
    "ingest_failures",
    metadata,
    Column("uri", Text, primary_key=True),
    Column("source_id", Id),
    Column("path", Text, nullable=False),
    Column("status", String(16), nullable=False),  # failed | refused | gone
    Column("reason", Text, nullable=False),
    Column("remedy", Text),
    Column("failed_at", Moment, nullable=False),
    Index("ix_ingest_failures_source_id", "source_id"),
)

documents = _table(
    "documents",
    Column("id", Id, primary_key=True),
    Column("public_id", String(32), nullable=False, unique=True),
    # of a source: source:ID/path inside it, percent-encoded
    Column("uri", Text, nullable=False, unique=True),
    Column("source_id", Id),
    Column("path", Text, nullable=False),
    Column("collection", String(255), nullable=False),
    Column("title", Text, nullable=False),
    Column("media_type", String(255), nullable=False),
    Column("language", String(16)),
    Column("content_hash", String(64), nullable=False),
    Column("page_kind", String(16)),
    Column("pages", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("modified_at", Moment),
    Column("stored_at", Moment, nullable=False),
    Column("reader_set_id", Id, ForeignKey("reader_sets.id"), nullable=False),
    # random, renewed whenever what a reader sees of it changes
    Column("token", LargeBinary(32), nullable=False),
    # what filters compare: a digest for each key
    Column("metadata_digests", Text, nullable=False, server_default=""),
    # what stands in its file and not in its text; for operators
    Column("losses", JSON, nullable=False, server_default="[]"),
    # of the bytes of its file, if they are kept; null: they are not
    Column("original_sha256", String(64)),
    Index("ix_documents_reader_set_id", "reader_set_id"),
    # decides without reading a document
    Index("ix_documents_public_id_reader_set_id", "public_id", "reader_set_id"),
    Index("ix_documents_source_id", "source_id"),
    Index("ix_documents_original_sha256", "original_sha256"),
)

loose_originals = Table(
    "loose_originals",
    metadata,
    # of a kept file that may be no document's: it was let go, or its document is not stored yet
    Column("sha256", String(64), primary_key=True),
)

document_texts = Table(
    "document_texts",
    metadata,
    Column("document_id", Id, ForeignKey("documents.id"), primary_key=True),
    Column("text", Text, nullable=False),
)

chunks = _table(
    "chunks",
    Column("row", Id, primary_key=True),
    Column("public_id", String(32), nullable=False, unique=True),
    Column("document_id", Id, ForeignKey("documents.id"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("section", JSON, nullable=False),
    Column("pages", JSON, nullable=False),
    Column("embedded", Text, nullable=False),
    # what keyword search reads; empty: what is embedded
    Column("words", Text, nullable=False, server_default=""),
    # of the table that it begins in, if it does not show it itself
    Column("header", Text, nullable=False, server_default=""),
    Column("headings", JSON, nullable=False, server_default="[]"),  # that stand inside it
    Column("tables", JSON, nullable=False, server_default="[]"),
    Index("ix_chunks_document_id_ordinal", "document_id", "ordinal", unique=True),
)

vectors = Table(
    "vectors",
    metadata,
    Column("generation_id", Id, ForeignKey("generations.id"), primary_key=True),
    Column("document_id", Id, ForeignKey("documents.id"), primary_key=True),
    # float32, little-endian, (chunks, dimension), by ordinal
    Column("vectors", LargeBinary, nullable=False),
    Index("ix_vectors_document_id", "document_id"),
)

centroids = Table(
    "centroids",
    metadata,
    Column("generation_id", Id, ForeignKey("generations.id"), primary_key=True),
    # int8, (topics, dimension); written once, never changed
    Column("codes", LargeBinary, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("secret_sha256", LargeBinary(32), nullable=False),
    Column("user_id", Id, ForeignKey("principals.id"), nullable=False),
    Column("label", String(255), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("used_at", Moment),  # about when it was used last, written now and then
    Column("replaced_by", String(16)),  # the key that a rotation made for it
)

key_scopes = Table(
    "key_scopes",
    metadata,
    Column("key_id", String(16), ForeignKey("api_keys.id"), primary_key=True),
    Column("scope", String(32), primary_key=True),
)

principal_scopes = Table(
    "principal_scopes",
    metadata,
    # what a person may do who signs in without a key
    Column("principal_id", Id, ForeignKey("principals.id"), primary_key=True),
    Column("scope", String(32), primary_key=True),
)

principal_subjects = Table(
    "principal_subjects",
    metadata,
    # whom an identity provider means by its `sub`, which it never gives to anybody else
    Column("issuer", String(512), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("provider", String(64), nullable=False),  # ours for it: what its groups begin with
    Column("principal_id", Id, ForeignKey("principals.id"), nullable=False),
    Index("ix_principal_subjects_principal_id", "principal_id"),
)

sessions = Table(
    "sessions",
    metadata,
    # of the secret in the browser's cookie
    Column("secret_sha256", LargeBinary(32), primary_key=True),
    Column("principal_id", Id, ForeignKey("principals.id"), nullable=False),
    Column("issuer", String(512), nullable=False),
    Column("groups", JSON, nullable=False),  # names that the token brought
    Column("told_by", String(64)),  # the provider, if its token told all groups
    Column("id_token", Text, nullable=False),  # the provider wants it back at the sign-out
    Column("expires_at", Moment, nullable=False),
    Index("ix_sessions_principal_id", "principal_id"),
    Index("ix_sessions_expires_at", "expires_at"),
)

jobs = _table(
    "jobs",
    Column("id", Id, primary_key=True),
    Column("public_id", String(32), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("state", String(16), nullable=False),  # queued | running | done | failed | cancelled
    Column("payload", JSON, nullable=False),
    Column("asked_by", Text),  # an actor; null for jobs from before this was noted
    Column("asker_id", Id),  # of the user, if it was asked for over HTTP
    Column("cancel_requested", Integer, nullable=False, server_default="0"),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("result", JSON),
    Column("error", Text),
    # raised by every claim: a worker that lost its lease cannot finish
    Column("fence", Integer, nullable=False),
    Column("lease_until", Moment),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index("ix_jobs_state_kind", "state", "kind"),
    Index("ix_jobs_asker_id", "asker_id"),
)

templates = _table(
    "templates",
    Column("id", Id, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("style", String(16), nullable=False),  # chat | completion
    Column("language", String(16), nullable=False),
    Column("reader_set_id", Id, ForeignKey("reader_sets.id"), nullable=False),
)

template_versions = _table(
    "template_versions",
    Column("id", Id, primary_key=True),
    Column("template_id", Id, ForeignKey("templates.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("text", JSON, nullable=False),  # never updated: a change is a new version
    Column("saved_by", String(255), nullable=False),
    Column("saved_at", Moment, nullable=False),
    Index("ix_template_versions_template_id_version", "template_id", "version", unique=True),
)

template_activations = _table(
    "template_activations",
    Column("id", Id, primary_key=True),
    Column("audience", String(8), nullable=False),  # name | user | group | default
    Column("principal_id", Id, ForeignKey("principals.id")),  # of a user or group, else null
    Column("version_id", Id, ForeignKey("template_versions.id"), nullable=False),
    Column("candidate_id", Id, ForeignKey("template_versions.id")),
    Column("share", Float, nullable=False),  # of the audience that gets the candidate
    Column("activated_by", String(255), nullable=False),
    Column("activated_at", Moment, nullable=False),
    Column("withdrawn_at", Moment),  # by a rollback: the activation before it holds again
    Index("ix_template_activations_audience_principal_id", "audience", "principal_id"),
)

models = Table(
    "models",
    metadata,
    # as the model servers call it; one without a row is everybody's
    Column("name", String(512), primary_key=True),
    Column("reader_set_id", Id, ForeignKey("reader_sets.id"), nullable=False),
)

audit_chains = Table(
    "audit_chains",
    metadata,
    # 1, 2, 3 … without a gap: that one is missing shows
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("name", String(255), nullable=False),  # "changes", or a process: host and number
    Column("begun_at", Moment, nullable=False),
)

audit_records = Table(
    "audit_records",
    metadata,
    Column("chain_id", Id, ForeignKey("audit_chains.id"), primary_key=True),
    Column("number", Id, primary_key=True),  # 1, 2, 3 … in its chain
    Column("subject", String(64)),  # id of the answer that it tells of
    Column("at", Moment, nullable=False),
    Column("body", Text, nullable=False),  # JSON, to the letter what the hash is of
    Column("hash", LargeBinary(32), nullable=False),  # of the record before, and of this one
    Index(
        "ix_audit_records_subject",
        "subject",
        sqlite_where=text("subject IS NOT NULL"),  # as on PostgreSQL, by migration 0013
    ),
    Index("ix_audit_records_at", "at"),
)

audit_seals = _table(
    "audit_seals",
    Column("id", Id, primary_key=True),
    Column("chain_id", Id, ForeignKey("audit_chains.id"), nullable=False),
    Column("number", Id, nullable=False),  # of the record that is sealed with all before it
    Column("hash", LargeBinary(32), nullable=False),
    Column("pruned", Integer, nullable=False),  # 1: the record and all before it were removed
    Column("sealed_at", Moment, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("signature", LargeBinary(64), nullable=False),  # Ed25519
    Index("ix_audit_seals_chain_id_number", "chain_id", "number"),
)

kept_revisions = _table(
    "kept_revisions",
    Column("id", Id, primary_key=True),
    Column("document_public_id", String(32), nullable=False),
    # of documents: title, path, media_type, collection, language, page_kind
    Column("head", JSON, nullable=False),
    # zlib over JSON: passages by public id, as they were; empty once erased
    Column("passages", LargeBinary, nullable=False),
    # who could read it at last; whoever reads the document later must be one of them, too
    Column("reader_set_id", Id, ForeignKey("reader_sets.id"), nullable=False),
    Column("ended_at", Moment, nullable=False),
    Column("erased", Integer, nullable=False),  # 1: by hand, so that nothing is left to show
    Index("ix_kept_revisions_document_public_id", "document_public_id"),
    Index("ix_kept_revisions_ended_at", "ended_at"),
)

feedback = Table(
    "feedback",
    metadata,
    # what whoever got an answer says of it
    Column("answer_id", String(64), primary_key=True),
    Column("who", String(255), nullable=False),  # the name at that time
    Column("verdict", String(8), nullable=False),  # up | down
    Column("reason", Text),
    Column("expected", Text),  # what the answer should have said
    Column("question", Text),  # only if it was sent along to be kept
    Column("answered_at", Moment, nullable=False),  # it goes when the record of the answer goes
    Column("given_at", Moment, nullable=False),
    Index("ix_feedback_answered_at", "answered_at"),
)
