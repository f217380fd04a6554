"""Dense search inside a view. `store` says what a vector store must do; `faiss_store` does it.

Only this package knows FAISS, in `lists`; nothing here knows the catalog or whole documents.
"""

from indexes.derived.vectors.store import VectorStores
from indexes.settings import Settings


def vector_stores(settings: Settings) -> VectorStores:
    """The vector stores that this installation uses. Another kind is put into place here."""
    from indexes.derived.vectors.faiss_store import FaissStores

    return FaissStores(settings.exact_scan_limit)
