"""Dense search inside a view: exact, and above a limit by topic. The only package that knows FAISS (in `lists`)."""

from indexes.derived.vectors.index import Ranked, VectorIndex
from indexes.derived.vectors.topics import Centroids, Topics, learn, number_of_topics, sample

__all__ = ["Centroids", "Ranked", "Topics", "VectorIndex", "learn", "number_of_topics", "sample"]
