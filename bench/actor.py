"""Who writes to the catalogs that are measured."""

from indexes.model import Actor

BENCH = Actor("system:bench")
