"""`python -m ingest`: the ingestion commands alone."""

from ingest.commands import app

app(prog_name="ingest")
