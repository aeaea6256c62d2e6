"""Everything that storage can refuse, named after what is wrong.

One question decides what a caller does with an error: is a retry worth it?  `Unavailable` and its subclasses say yes.
"""


class StorageError(Exception):
    """Root of this module, so that a process boundary can tell our refusals from bugs."""


class Unavailable(StorageError):
    """ClickHouse is away, overloaded, out of space, or the outcome of a write is unknown: a retry may succeed.

    `retry_seconds` is how long a caller should wait at least.
    """

    def __init__(self, message: str, *, retry_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class DiskLow(Unavailable):
    """The store's disk has less free space than the limit; nothing is accepted until there is more."""


class Rejected(StorageError):
    """ClickHouse understood the request and refuses its content: sending the same bytes again cannot help."""


class QueryRefused(StorageError):
    """A user's SQL was refused (syntax, rights, limits); the message is ClickHouse's own, without secrets."""


class SchemaError(StorageError):
    """The database does not fit this program: too old a server, an edited or missing migration, a lacking column."""


class DataDirectoryInUse(StorageError):
    """Another process serves this data directory; the message names its pid."""


class EngineFailed(StorageError):
    """The embedded ClickHouse did not start or died; the message says where its log is."""


class NotFound(StorageError):
    """No such document, result, span, trace or session."""


class NameTaken(StorageError):
    """A document of this kind and name exists already."""


class VersionMoved(StorageError):
    """The document changed since it was read: read it again and repeat the edit."""

    def __init__(self, message: str, *, current_version: int) -> None:
        super().__init__(message)
        self.current_version = current_version
