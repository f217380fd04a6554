"""The steps of a run: `withdraw`, then `parse`, `chunk`, `embed` and `store`, which overlap.

`values` holds what goes from one to the next. A step knows its neighbours by these values only, and
nothing of where a run comes from.
"""
