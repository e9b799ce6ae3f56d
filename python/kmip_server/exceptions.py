"""Why a server cannot be started or stopped, by the names that PyKMIP has for it."""


class ConfigurationError(Exception):
    """The settings are wrong, or the files that they name; the text is the server's."""


class NetworkingError(Exception):
    """The server cannot listen, or ended while it should serve."""


class ShutdownError(Exception):
    """The server did not end in time and was killed."""
