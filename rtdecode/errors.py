"""The one error that is the user's to mend."""


class UserError(Exception):
    """A wrong input or a missing part, told in one line.

    The command line prints the message without a traceback and exits with
    code 2. The message says what was expected, what was found and what to do.
    """
