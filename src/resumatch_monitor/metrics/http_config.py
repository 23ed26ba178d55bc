"""How a target or a discovery endpoint is asked: credentials, TLS, redirects."""

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from resumatch_monitor.kit.models import ConfigModel, FilePath, Text

_PROXY = "requests go to their address directly: a proxy would make the address check worthless"

HTTP_REFUSED_KEYS = {
    "oauth2": "OAuth 2 is not supported; use authorization, with credentials_file",
    "proxy_url": f"is not supported; {_PROXY}",
    "proxy_from_environment": f"is not supported; {_PROXY}",
    "proxy_connect_header": f"is not supported; {_PROXY}",
    "no_proxy": f"is not supported; {_PROXY}",
    "http_headers": "is not supported; credentials belong in authorization or basic_auth",
}
HTTP_IDLE_KEYS = {"enable_http2": "requests are made with HTTP/1.1"}


class BasicAuth(ConfigModel):
    """A user name and a password."""

    username: Text = ""
    """The user name."""
    username_file: FilePath | None = None
    """A file with it, read before every request."""
    password: SecretStr = SecretStr("")
    """The password."""
    password_file: FilePath | None = None
    """A file with it, read before every request."""

    @model_validator(mode="after")
    def _check_one_of_each(self) -> Self:
        if self.username and self.username_file:
            raise ValueError("give username or username_file, not both")
        if self.password.get_secret_value() and self.password_file:
            raise ValueError("give password or password_file, not both")
        return self


class Authorization(ConfigModel):
    """An `Authorization` header."""

    type: str = "Bearer"
    """The scheme."""
    credentials: SecretStr | None = None
    """What follows the scheme."""
    credentials_file: FilePath | None = None
    """A file with it, read before every request."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.type.strip().lower() == "basic":
            raise ValueError("for the type Basic there is basic_auth")
        if self.credentials is None and self.credentials_file is None:
            raise ValueError("credentials or credentials_file is required")
        if self.credentials is not None and self.credentials_file is not None:
            raise ValueError("give credentials or credentials_file, not both")
        return self


TLSVersion = Literal["TLS10", "TLS11", "TLS12", "TLS13"]


class TLSConfig(ConfigModel):
    """How an https address is trusted, and who we are to it."""

    refused_keys: ClassVar[Mapping[str, str]] = {
        "cert": "is not supported; write it to a file and name that in cert_file",
        "key": "is not supported; write it to a file and name that in key_file",
    }

    ca: str = Field(default="", description="The certificates of the authorities, as PEM.")
    ca_file: FilePath | None = None
    """A file with them; without either, the system's authorities are trusted."""
    cert_file: FilePath | None = None
    """Our certificate."""
    key_file: FilePath | None = None
    """Its key."""
    server_name: str = ""
    """The name that the certificate must have, instead of the address' own."""
    insecure_skip_verify: bool = False
    """Whether any certificate will do."""
    min_version: TLSVersion | None = None
    """The oldest version that is spoken."""
    max_version: TLSVersion | None = None
    """The newest."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.ca and self.ca_file:
            raise ValueError("give ca or ca_file, not both")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        return self


class HTTPClientConfig(ConfigModel):
    """What every HTTP request has in Prometheus' configuration."""

    refused_keys: ClassVar[Mapping[str, str]] = HTTP_REFUSED_KEYS
    idle_keys: ClassVar[Mapping[str, str]] = HTTP_IDLE_KEYS

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    bearer_token: SecretStr | None = Field(
        default=None, description="The same as `authorization.credentials`."
    )
    bearer_token_file: FilePath | None = Field(
        default=None, description="The same as `authorization.credentials_file`."
    )
    tls_config: TLSConfig | None = None
    follow_redirects: bool = True
    """Whether redirects are followed, five at most."""
    enable_http2: bool = Field(default=True, description="Accepted; HTTP/1.1 is spoken.")

    @model_validator(mode="after")
    def _check_one_authentication(self) -> Self:
        kinds = (self.basic_auth, self.authorization, self.bearer_token, self.bearer_token_file)
        if sum(kind is not None for kind in kinds) > 1:
            raise ValueError(
                "give one of basic_auth, authorization, bearer_token and bearer_token_file"
            )
        return self
