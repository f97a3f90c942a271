"""Settings of the console: the section `[console]` of `ringlight.toml`. Secrets are none of them."""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from jobs.desk.roles import Role
from jobs.night import StepConfig

__all__ = ["ConsoleConfig", "ConsoleSecrets", "OidcConfig", "is_loopback"]


class OidcConfig(BaseModel):
    """Sign-in by an OpenID Connect provider, with the authorization code flow and PKCE.

    Attributes:
        issuer: the provider; its metadata lie under /.well-known/openid-configuration.
        name_claim: which claim of the id token names the person in the audit.
        roles_claim: which claim lists the person's groups.
        roles: group to role; who is in none of them is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str
    client_id: str = Field(min_length=1)
    name_claim: str = "sub"
    roles_claim: str = "groups"
    roles: dict[str, Role] = Field(min_length=1)

    @field_validator("issuer")
    @classmethod
    def _is_encrypted(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise ValueError("be an https address")
        return value.rstrip("/")


class ConsoleConfig(StepConfig):
    """What holds for the console."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8484, ge=1, le=65535, description="port to listen on")
    origin: str | None = Field(
        None, description="what browsers call the console, as https://ringlight.example; needed beyond loopback"
    )
    events: Path | None = Field(None, description="the event folder, for reveals; without it nothing can be revealed")
    session_minutes: int = Field(480, ge=5, le=1440, description="how long a sign-in holds")
    max_body_bytes: int = Field(
        65_536,
        ge=1024,
        le=2**20,
        description="the largest request; the positions of a picture may be half a mebibyte, a verdict 4 mebibytes",
    )
    requests_per_minute: int = Field(300, ge=1, description="requests of one person or token")
    searches_per_minute: int = Field(30, ge=1, description="searches of one person or token")
    exports_per_hour: int = Field(60, ge=1, description="case files of one person or token")
    reveals_per_hour: int = Field(30, ge=1, description="revealed values of one person or token")
    signins_per_minute: int = Field(30, ge=1, description="sign-ins begun with the provider from one address")
    failures_per_minute: int = Field(20, ge=1, description="tokens and cookies that do not hold, from one address")
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="networks whose proxies sign people in by header and say in `X-Forwarded-For` for whom they ask, parted by commas",
    )
    proxy_user_header: str = Field("X-Forwarded-User", description="header with the person's name")
    proxy_roles_header: str = Field("X-Forwarded-Roles", description="header with roles, parted by commas")
    oidc: OidcConfig | None = Field(None, description="sign-in by OpenID Connect, a table of its own")

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _are_listed(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            if ip_network(network).prefixlen == 0:
                raise ValueError("name networks, not the whole internet")
        return value

    @field_validator("origin")
    @classmethod
    def _is_origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if (
            parts.scheme not in ("http", "https")
            or not parts.netloc
            or parts.path not in ("", "/")
            or parts.query
            or parts.username
        ):
            raise ValueError("read like https://ringlight.example")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("begin with https, except on loopback")
        return f"{parts.scheme}://{parts.netloc}".lower()

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if not is_loopback(self.host) and self.origin is None:
            raise ValueError("`console.origin` must be given where `console.host` is not loopback")
        return self

    @property
    def origins(self) -> frozenset[str]:
        """The origins that browsers may send from."""
        if self.origin is not None:
            return frozenset({self.origin})
        return frozenset(f"http://{host}:{self.port}" for host in ("127.0.0.1", "localhost", "[::1]"))

    @property
    def is_encrypted(self) -> bool:
        """Browsers reach the console by https, so its cookies are for https alone."""
        return self.origin is not None and self.origin.startswith("https://")


@dataclass(frozen=True)
class ConsoleSecrets:
    """What comes from the environment alone.

    Attributes:
        key: the lake's key, hex.
        oidc: the client's secret; None for a public client.
        demo_token: signs anybody in who has it, with every role; None: no demo.
    """

    key: str = field(repr=False)
    oidc: str | None = field(default=None, repr=False)
    demo_token: str | None = field(default=None, repr=False)


def is_loopback(host: str) -> bool:
    """Whether the name or address is this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
