"""`clearance ingest`, `sources`, `documents`, `worker`.

They read arguments, call the pipeline, and print.
"""
