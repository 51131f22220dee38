"""The one error that a user's input can cause."""


class InputError(ValueError):
    """Bad input. The message names the file, the column or key, and the offending rows.

    The command line prints the message alone, without a traceback, and exits with status 1.
    """
