"""The errors of starting and stopping a server, with PyKMIP's names."""


class ConfigurationError(Exception):
    """The settings, or the files that they name, are invalid; the text is the server's message."""


class NetworkingError(Exception):
    """The server cannot listen, or ended before it was stopped."""


class ShutdownError(Exception):
    """The server did not end in time and was killed."""
