"""The commands of the service.

They read arguments, call a room, and print; nothing else imports them.
"""
