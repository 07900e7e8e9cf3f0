"""Settings that every service shares, read from the environment with the service's own prefix."""

from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service_kit.callbacks.policy import CallbackPolicy
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.http.failed_logins import DEFAULT_MAX_FAILED_LOGINS
from service_kit.http.keys import PublicKey, SharedSecret, check_jwks_url


class ServiceSettings(BaseSettings):
    """Base of each service's settings; a subclass sets ``env_prefix`` and adds its own fields.

    A wrong setting is named without its value, and no secret is in the settings' text: both reach logs.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: str = Field(
        repr=False, description="SQLAlchemy URL of the service's own PostgreSQL database."
    )
    database_pool_size: int = Field(default=10, gt=0, description="Maximum number of open connections.")
    migrate_at_start: bool = Field(
        default=True,
        description="Bring the schema up to date at the start. false: `cj-suite deployment migrate` has done so, and "
        "the database user of the service needs no right to change tables.",
    )
    event_bus: Literal["kafka", "memory"] = Field(
        default="kafka", description="memory serves one process and survives a kill through the outbox."
    )
    kafka_bootstrap_servers: str | None = Field(default=None, description="host:port, comma separated.")
    kafka_topic_prefix: str = Field(default="", description="Put before every topic and group name.")
    kafka_instance_id: str | None = Field(
        default=None, description="Stable name of this replica: static membership, no rebalance on restart."
    )
    kafka_partitions: int = Field(
        default=6,
        gt=0,
        description="Of each topic made here: the maximum number of consumers sharing a topic.",
    )
    kafka_replication: int = Field(
        default=-1, ge=-1, description="Copies of each topic made here; -1 is the broker's own default."
    )
    http_host: str = Field(
        default="127.0.0.1",
        description="Address that the HTTP API listens on; 0.0.0.0 listens on all interfaces.",
    )
    http_port: int = Field(gt=0, lt=65536, description="Port of the HTTP API.")
    max_failed_logins: int = Field(
        default=DEFAULT_MAX_FAILED_LOGINS,
        gt=0,
        description="Tokens from one address that may be refused within a minute; more get 429 without being checked.",
    )
    development: bool = Field(
        default=False,
        description="Development mode: `/healthz` says so, and `cj-admin token dev` signs tokens for the service.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe lines that are logged."
    )
    log_format: Literal["json", "console"] = Field(
        default="json",
        description="json writes one JSON object per line, console is for reading in a terminal.",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+[^\s]*$",
        description="Where traces are sent (OTLP over HTTP): http://collector:4318. Needs the extra `tracing`; without "
        "an address nothing is traced. Sampling, headers and the like are OpenTelemetry's own settings (OTEL_…).",
    )
    callback_signing_secret: SecretStr = Field(
        description="whsec_ + base64 of 24 to 64 bytes: signs and checks HTTP callbacks (Standard Webhooks)."
    )
    callback_previous_secret: SecretStr | None = Field(
        default=None,
        description="The old secret while it is being replaced: callbacks are signed with both, and a signature by "
        "either is accepted.",
    )
    callback_allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description='Hosts that callbacks may go to: exact ("ras.internal", "10.0.0.7:8443") or "*.example.org".',
    )

    jwt_jwks_url: str | None = Field(
        default=None,
        description="Where the identity service publishes its keys (RS256, ES256); https, or http on this machine. "
        "This, a public key or a secret is needed: every route but health, metrics and documentation needs a token.",
    )
    jwt_jwks_http_hosts: tuple[str, ...] = Field(
        default=(),
        description="Hosts whose keys may be read over plain http: inside a network that is trusted.",
    )
    jwt_public_key: str | None = Field(
        default=None,
        description="Instead of published keys: one public key in PEM (RSA or P-256), as text or as a path.",
    )
    jwt_secret: SecretStr | None = Field(
        default=None,
        description="Instead of published keys: the secret of HS256 tokens, 32 bytes at least.",
    )
    service_secret: SecretStr | None = Field(
        default=None,
        description="What the suite's services sign their tokens for each other with (HS256), 32 bytes at least; "
        "the same for all of them.",
    )
    jwt_issuer: str = Field(
        default="huleedu-identity-service", min_length=1, description="Accepted token issuer (iss)."
    )
    jwt_audience: str = Field(
        default="huleedu-platform", min_length=1, description="Required token audience (aud)."
    )

    @field_validator("callback_signing_secret", "callback_previous_secret")
    @classmethod
    def _signs(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            WebhookSigner(secret.get_secret_value())
        return secret

    def webhook_signer(self) -> WebhookSigner:
        """Signs and checks callbacks with the secrets of these settings."""
        previous = self.callback_previous_secret
        return WebhookSigner(
            self.callback_signing_secret.get_secret_value(),
            previous=None if previous is None else previous.get_secret_value(),
        )

    @field_validator("callback_allowed_hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        CallbackPolicy(allowed_hosts=hosts)
        return hosts

    @model_validator(mode="after")
    def _kafka_is_addressed(self) -> Self:
        if self.event_bus == "kafka" and not self.kafka_bootstrap_servers:
            raise ValueError("event_bus=kafka needs kafka_bootstrap_servers; or choose event_bus=memory")
        return self

    @model_validator(mode="after")
    def _keys_are_safe(self) -> Self:
        if self.jwt_jwks_url is not None:
            check_jwks_url(self.jwt_jwks_url, http_hosts=self.jwt_jwks_http_hosts)
        return self

    @field_validator("jwt_public_key")
    @classmethod
    def _is_public(cls, key: str | None) -> str | None:
        if key is not None:
            PublicKey(key)
        return key

    @field_validator("jwt_secret", "service_secret")
    @classmethod
    def _is_long(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if secret is not None:
            SharedSecret(secret.get_secret_value(), name=info.field_name or "secret")
        return secret

    @model_validator(mode="after")
    def _tokens_are_checked_in_one_way(self) -> Self:
        ways = (self.jwt_jwks_url, self.jwt_public_key, self.jwt_secret)
        if sum(way is not None for way in ways) > 1:
            raise ValueError(
                "choose one of jwt_jwks_url, jwt_public_key and jwt_secret: they accept different tokens"
            )
        return self
