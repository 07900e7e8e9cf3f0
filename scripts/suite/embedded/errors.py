"""What can go wrong with an embedded server; each message says what to do.

ConfigurationError
└── EmbeddedServerError
    ├── DataFolderInUse         another process runs a server on this folder
    ├── DataFolderUnusable      the folder holds something else, or another version's data
    ├── PostgresNotAvailable    the wheel is not installed
    ├── PostgresNotStarted      the server did not come up; its log says why
    ├── BackUpFailed            there is no back-up, for the reason that is given
    ├── KafkaNotAvailable       Java or Maven is missing, or the jars could not be fetched
    └── KafkaNotStarted         the broker did not come up; its log says why
"""

from event_contracts import ConfigurationError


class EmbeddedServerError(ConfigurationError):
    """An embedded server cannot run here."""


class DataFolderInUse(EmbeddedServerError):
    """Another process runs a server on this folder."""


class DataFolderUnusable(EmbeddedServerError):
    """The folder holds something else, or the data of another PostgreSQL version."""


class PostgresNotAvailable(EmbeddedServerError):
    """The wheel that carries PostgreSQL is not installed."""


class PostgresNotStarted(EmbeddedServerError):
    """PostgreSQL did not come up."""


class BackUpFailed(EmbeddedServerError):
    """The database could not be backed up."""


class KafkaNotAvailable(EmbeddedServerError):
    """What a broker needs is missing here."""


class KafkaNotStarted(EmbeddedServerError):
    """The broker did not come up."""
