"""How rich text is written: words, bytes, signs, braces and letters."""

import re

TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?"  # a word with its number
    rb"|\\'([0-9a-fA-F]{2})"  # a byte
    rb"|\\([^a-zA-Z'])"  # a sign
    rb"|([{}])"
    rb"|[\r\n\0]+"
    rb"|([^\\{}\r\n\0]+)"
    rb"|\\"
)
WORD, NUMBER, BYTE, SIGN, BRACE, LETTERS = range(1, 7)  # groups of it
