"""The address that speaks the Model Context Protocol, for assistants that know nothing else.

Translates; what is searched, answered and opened goes through the same doors as everywhere, with the
caller that the gate has let in. The library is imported here alone, and when the first one asks.
"""
