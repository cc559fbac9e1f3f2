"""The exception for wrong input. Its message says how to mend the input."""


class UserError(Exception):
    """Bad input. The commands print it as one line on stderr and exit with code 2, without a traceback.

    The message says what was wrong, where, and what to do about it.
    """
