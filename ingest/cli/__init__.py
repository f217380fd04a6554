"""`clearance ingest`, `ingest-set`, `sources`, `worker`.

They read arguments, call the pipeline, and print.
"""
