"""The errors that have one message for the user, shown without a traceback, and exit status 1."""


class InputError(ValueError):
    """Bad input. The message names the file, the column or key, and the offending rows.

    >>> import contactlens as cl
    >>> try:
    ...     cl.read_tracks("lab.csv", track="nucleus", time="t_s", distance="ep_nm", length_unit="nm")
    ... except cl.InputError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    lab.csv: no column 'nucleus'...
    """


class WriteError(OSError):
    """An output could not be written: the disk is full, or the folder is not ours. The message names the output."""


def message_of(error: Exception) -> str | None:
    """What to tell the user; None for an error of the code's own, whose traceback is wanted."""
    if isinstance(error, (InputError, WriteError)):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {(error.strerror or type(error).__name__).lower()}"
    return None
