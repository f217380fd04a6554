"""What is made from the catalog and may be deleted at any time: one process's indexes, kept at the
catalog's state.

Nothing here is the truth, and nothing of it is text.
"""
