"""`python -m ingest`: the ingestion commands alone."""

from ingest.cli.ingest import app

app(prog_name="ingest")
