"""The command `clearance` and the commands that belong to no side.

Nothing else than commands imports it.
"""
