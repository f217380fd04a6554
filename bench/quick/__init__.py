"""The working tree beside the last release, on one page: `python -m bench.quick`, `make bench-quick`.

`works` says what is measured and runs inside each side's processes (`child`), with the bench of the
working tree and the product of that side; `base` finds and checks out the other side, `pairs` lets
both take turns, `comparing` decides what their figures show.
"""
