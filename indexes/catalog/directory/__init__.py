"""Users and groups that a directory keeps, as it sees and changes them (SCIM).

Who they are to rules stays with `people`: every change of a name or a state goes through it, in the
transaction of what the directory wanted. A directory sees what it made itself or what an operator
has handed over to it, and nothing else. Read `docs/decisions/0024`.
"""
