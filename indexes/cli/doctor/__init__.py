"""`clearance doctor`: looks at an installation and tells what to do; changes nothing.

`findings` says what a check is and runs them, `command` prints. The checks: `installation`, `home`,
`catalog`; those of ingestion and of the service stand with their commands, and all are found by the
entry points `clearance.checks`. No check tells a title, a text or a name of a person.
"""
