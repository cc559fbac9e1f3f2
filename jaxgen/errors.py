"""The one exception that means: the input was wrong, and here is the mend."""


class UserError(Exception):
    """Bad input: printed by the commands as one line on stderr with exit code 2, never as a traceback.

    The message says what was wrong, where, and what to do about it.
    """
