"""Mail: messages in the Internet's format and saved pages (`messages`), many of them in one file
(`mailbox`), and what Outlook stores (`outlook`, `tnef`, with `mapi`, `lzfu` and `wrapped`).

Of a message, `parts` gives bytes, `headers` lines, `bodies` what one part says, `plain` knows plain
text, `versions` chooses among alternatives, and `secured` opens what is signed.
"""
