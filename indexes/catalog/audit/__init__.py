"""What happened, as records that follow each other: none can be changed or left out unseen.

Changes are recorded in the transaction that makes them (`changes`), what people asked and were shown
by each process in a chain of its own (`trail`). It knows no index, and no way that a question takes.
"""
