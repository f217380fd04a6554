"""Stand-ins that tests use where they need determinism or speed: language `models`, a
`model_server`, and an application on a real port (`loopback`). Nothing in the product knows them.
"""
