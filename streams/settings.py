"""Everything a worker can be told: `STREAMGAUGE_*` in the environment, a `.env` file, or flags."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ByteSize, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from streamgauge.clients.connection import Connection
from streamgauge.clients.output_encoding import OutputEncoding, OutputFormat
from streamgauge.clients.registry_address import SchemaRegistry
from streamgauge.schemas.errors import ConfigurationError
from streamgauge.schemas.telling import shown
from streamgauge.streams.memory_plan import LEAST_BYTES, PROCESS_BYTES, MemoryPlan


class WorkerSettings(BaseSettings):
    """Settings of `streamgauge worker` and `streamgauge topics`; durations are in seconds.

    >>> settings = WorkerSettings(bootstrap_servers="localhost:9092", topic_prefix="credit.", _env_file=None)
    >>> settings.group, settings.transactional_id(3), settings.connection.topic("alerts")
    ('credit.worker', 'credit.worker-3', 'credit.alerts')
    """

    model_config = SettingsConfigDict(
        env_prefix="STREAMGAUGE_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True,
        hide_input_in_errors=True,
    )  # fmt: skip

    bootstrap_servers: str = "localhost:9092"
    topic_prefix: str = "streamgauge."
    security_protocol: str = ""
    sasl_mechanism: str = ""
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    sasl_token_url: str = ""
    sasl_token_scope: str = ""
    sasl_token_ca_location: str = ""
    sasl_extensions: str = ""
    ssl_ca_location: str = ""
    ssl_certificate_location: str = ""
    ssl_key_location: str = ""
    ssl_key_password: SecretStr = SecretStr("")
    schema_registry_url: str = ""
    schema_registry_basic_auth_user_info: SecretStr = SecretStr("")
    schema_registry_ssl_ca_location: str = ""
    #: Whether outputs with Confluent framing may register their schemas.
    schema_registry_auto_register_schemas: bool = True

    #: `wall`: idle windows close by the clock. `events`: event times alone drive time (replay, demo, tests).
    clock: Literal["wall", "events"] = "wall"
    output_format: OutputFormat = "json"
    #: Import paths, with commas between, of the classes that definitions may name under `metrics`.
    custom_metrics: str = ""
    #: Where partitions' state is mirrored on disk; without it, a start reads all of it from Kafka.
    state_dir: Path | None = None
    #: What the process may take, if there is a state directory: see `MemoryPlan`.
    max_memory: ByteSize = ByteSize(1_000_000_000)
    commit_interval_s: float = Field(0.3, gt=0, le=5)
    #: Of each partition: after a commit that wrote more state, the next one waits accordingly longer.
    commit_bytes_per_s: int = Field(10_000_000, ge=10_000)
    #: After this long without a heartbeat a worker's partitions go to others.
    session_timeout_s: float = Field(30.0, ge=1, le=90)
    heartbeat_interval_s: float = Field(3.0, gt=0)
    #: /healthz, /readyz and /metrics; port 0 takes a free one, which the log names.
    health_host: str = "127.0.0.1"
    health_port: int = Field(9464, ge=0, le=65535)
    #: If given, /metrics wants it as a bearer token.
    health_token: SecretStr = SecretStr("")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"

    @field_validator("max_memory")
    @classmethod
    def _is_enough(cls, given: ByteSize) -> ByteSize:
        if given < LEAST_BYTES:
            raise ValueError(
                f"{given / 1e6:.0f} MB are not enough: give at least {LEAST_BYTES / 1e6:.0f}MB, "
                f"as a worker takes {PROCESS_BYTES / 1e6:.0f} MB before it holds any state"
            )
        return given

    @property
    def connection(self) -> Connection:
        """Addresses and credentials, for both Kafka clients. Raises `ConfigurationError`."""
        return Connection(
            self.bootstrap_servers,
            prefix=self.topic_prefix,
            security_protocol=self.security_protocol,
            sasl_mechanism=self.sasl_mechanism,
            sasl_username=self.sasl_username,
            sasl_password=self.sasl_password.get_secret_value(),
            sasl_token_url=self.sasl_token_url,
            sasl_token_scope=self.sasl_token_scope,
            sasl_token_ca_location=self.sasl_token_ca_location,
            sasl_extensions=self.sasl_extensions,
            ssl_ca_location=self.ssl_ca_location,
            ssl_certificate_location=self.ssl_certificate_location,
            ssl_key_location=self.ssl_key_location,
            ssl_key_password=self.ssl_key_password.get_secret_value(),
            schema_registry=self._schema_registry,
        )

    @property
    def _schema_registry(self) -> SchemaRegistry | None:
        if not self.schema_registry_url:
            return None
        return SchemaRegistry(
            self.schema_registry_url,
            self.schema_registry_basic_auth_user_info.get_secret_value(),
            self.schema_registry_ssl_ca_location,
        )

    @property
    def encoding(self) -> OutputEncoding:
        """How outputs are written. Raises `ConfigurationError`."""
        return OutputEncoding(self.output_format, self.connection, self.schema_registry_auto_register_schemas)

    @property
    def memory(self) -> MemoryPlan:
        """How the memory is divided."""
        return MemoryPlan.of(self.max_memory)

    @property
    def group(self) -> str:
        """The consumer group, which is also the Faust app's id; one for each prefix."""
        return f"{self.topic_prefix}worker"

    def transactional_id(self, partition: int) -> str:
        """The id that fences: whoever opens it last is the only one who can write this partition's state."""
        return f"{self.group}-{partition}"


def load_settings(given: Mapping[str, str]) -> WorkerSettings:
    """Settings from flags and the environment. Raises `ConfigurationError` that names each wrong one."""
    try:
        return WorkerSettings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(
            f"STREAMGAUGE_{'_'.join(str(at) for at in problem['loc']).upper()}: {problem['msg']}"
            for problem in error.errors()
        )
        raise ConfigurationError(wrong) from error


def check_state_dir(directory: Path | None) -> None:
    """Raise `ConfigurationError` if nothing can be written there: it would be noticed much later."""
    if directory is None:
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"STREAMGAUGE_STATE_DIR: {shown(str(directory))} cannot be written: {error.strerror}. Name a "
            "directory that this user may write, or none: then a start reads all state from Kafka"
        ) from error
