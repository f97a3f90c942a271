"""Where a Neo4j server is reached: apart from the driver, so that whoever only passes it on needs no driver."""

from dataclasses import dataclass, field

__all__ = ["StoreAddress"]


@dataclass(frozen=True)
class StoreAddress:
    """A Neo4j server and who we are to it. The password never shows in `repr`.

    Attributes:
        uri: bolt://, neo4j:// and so on, as the driver takes it.
        username: user on that server.
        password: that user's password.
    """

    uri: str
    username: str
    password: str = field(repr=False)
