"""The one exception that a user is meant to read."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is complete by itself: it names the parameter or the file and row, the value got, what is
    allowed, and the cure. The command line prints it as one line and exits with status 2; a library caller
    catches it as a ``ValueError``.
    """


class SharedInputError(InputError):
    """An input error that several processes of a run have raised together, and that another of them tells."""


def first_line(error: Exception) -> str:
    """Give the first line of what an error of another library says; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
