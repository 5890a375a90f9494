"""Settings of the facade: `MOORAGE_*` variables and flags, all bounded."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from moorage_crds.process.settings import ProcessSettings

#: Field managers of the tools that keep a cluster equal to Git. `kubectl` is a person, so it is not one of them.
GITOPS_MANAGERS = (
    "argocd-controller",
    "kustomize-controller",
    "helm-controller",
    "helm",
    "kapp",
    "kapp-server",
)


class ApiSettings(ProcessSettings):
    """Settings of `moorage api`."""

    port: int = Field(default=8080, ge=1, le=65535, description="Port of the REST API.")
    tls_cert_file: Path | None = Field(
        default=None, description="Certificate chain (PEM); read again when it changes. Without it: plain HTTP."
    )
    tls_key_file: Path | None = Field(default=None, description="Private key (PEM) of the certificate.")
    session_key_file: Path | None = Field(
        default=None,
        description="Secrets for logins at the page, one a line, at least 32 characters each: the first seals, each "
        "opens. The same for all replicas. Without it: logins end with the process.",
    )
    rate_limit: float = Field(default=50.0, gt=0, le=1_000_000, description="Requests a second for each user.")
    rate_burst: int = Field(default=100, ge=1, le=1_000_000, description="Requests that a user may send at once.")
    failed_rate_limit: float = Field(
        default=10.0, gt=0, le=1_000_000, description="Requests a second from one address that fail to authenticate."
    )
    failed_rate_burst: int = Field(
        default=20, ge=1, le=1_000_000, description="Failing requests that one address may send at once."
    )
    max_staleness_seconds: float = Field(
        default=300.0, ge=1, le=86_400, description="Age of the cache beyond which reads are refused."
    )
    max_input_staleness_seconds: float = Field(
        default=30.0,
        ge=1,
        le=300,
        description="Age of the cache beyond which Argo CD and Flux get an error instead of releases.",
    )
    operator_silence_seconds: float = Field(
        default=30.0,
        ge=4,
        le=3_600,
        description="Seconds without a renewal of the operator's Lease after which answers say that nothing is "
        "recorded.",
    )
    max_connections: int = Field(default=1_000, ge=1, le=100_000, description="Open connections at once.")
    max_connections_per_client: int = Field(
        default=250, ge=1, le=100_000, description="Open connections at once from one address (IPv6: from one /64)."
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        default=(),
        max_length=64,
        description="Proxies whose X-Forwarded-For names the client: CIDRs, separated by commas.",
    )
    stop_delay_seconds: float = Field(
        default=3.0, ge=0, le=300, description="How long to keep serving after readiness is off."
    )
    stop_seconds: float = Field(
        default=20.0, ge=1, le=300, description="How long running requests may take at the end."
    )
    retention_days: int = Field(
        default=90, ge=1, le=36_500, description="The operator's value: how far back `?at=` can be answered."
    )
    gitops_managers: Annotated[tuple[str, ...], NoDecode] = Field(
        default=GITOPS_MANAGERS,
        max_length=64,
        description="Field managers whose fields REST changes only on demand, separated by commas.",
    )

    @field_validator("gitops_managers", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _both_tls_files(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            message = "tls_cert_file and tls_key_file are set both or not at all"
            raise ValueError(message)
        return self
