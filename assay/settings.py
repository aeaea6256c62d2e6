"""Settings: flags override the environment (`ASSAY_*`), which overrides `assay.toml` in the working directory."""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from evaluator.judges.endpoints import GATEWAY, SMALL, Endpoint, InvalidEndpoint, endpoints_of
from evaluator.online.actions.hosts import WebhookHosts
from evaluator.online.actions.signature import WebhookSecrets
from evaluator.online.emitting.out_address import OutAddress
from storage.retention import parse_retention

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})
OFF = "off"
LISTENERS = ("otlp_grpc", "otlp_http", "grpc")
MAX_EXPORTERS = 64
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/*\s,A-Z]+")


class InvalidSetting(ValueError):
    """A setting is unknown or not acceptable; the message names it, where it came from, and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set.  Environment: `ASSAY_` and the name in capitals.

    Attributes:
        data_dir: Where the embedded ClickHouse, its passwords and `endpoints.json` live.
        clickhouse_url: A server of your own, `http(s)://user:password@host:port/database`; '' = the embedded one.
        database: Name of the database.
        expressions_url: Address of that server for the user that computes `sql` metrics, which reads view `spans` only;
            '' = the embedded one's, and with a server of your own `sql` metrics fail and say so.
        otlp_grpc, otlp_http: Where the exporter listens, `host:port`; port 0 = any free one.
        exporters: How many receiver processes share those two ports (more than one: Linux only).
        cors_origins: Web pages that may send OTLP/HTTP: `https://app.example.com`, more after commas, or `*`; '' = none
        grpc: Where the evaluator listens.
        clickhouse_http: Where the embedded ClickHouse listens; loopback only.
        judge_model: litellm name of the judge, `openai/gpt-4o-mini` for example, or `gateway:/NAME`; '' = judge metrics
            fail and say so.
        judge_small_model: The same for metrics that ask for `@small`; '' = `judge_model`.
        reflection_model: The model that distills guidelines out of what reviewers wrote; '' = `judge_model`.
        judge_base_url, judge_api_key: Endpoint and key of the judge, where the provider's own are not meant.
        judges: Named endpoints, JSON: `{"NAME": {"model": …, "base_url": …}}`; in the file tables `[judges.NAME]`, with
            the fields of `evaluator.judges.endpoints.Endpoint`.
        trace_idle_seconds: A trace whose root never comes counts as complete after so much quiet.
        retention_days: How long things are kept: `30`, or `30,otel_logs=7,evaluations=400`; 0 = for ever; '' = tables
            stay as they are (a new one keeps for ever).
        min_free_disk_mb: Below so many megabytes of free disk, telemetry is refused (retryably).
        redaction: `off`, `standard`, or the path of a file of rules: what is hidden before it is stored.
        judge_redaction: The same for what judges are sent; '' = as `redaction` says.
        daily_budget_calls, daily_budget_tokens, daily_budget_usd: What judges may cost the whole installation on a UTC
            day, for rules, runs and callers together; 0 = no limit.  USD: every model needs a price (docs/budgets.md).
        judge_cache: Whether an answer of a judge is given again to an equal question.
        otlp_out: Where results go as OTLP log events: `http(s)://host:port` or `grpc(s)://host:port`; '' = nowhere.
        otlp_out_headers: Sent along, `name=value,name=value`, percent-encoded.
        webhook_hosts: Where webhooks may go: `hooks.example.com,*.example.org,10.0.0.5:8080`; '' = nowhere.
        webhook_secret: What signs them, `whsec_…`, several with blanks between; '' = the file `webhook_secret` of the
            data directory, which the first start makes.
        prometheus: Where our own metrics are served as Prometheus text, `host:port`: each process takes the first free
            port from there upwards (0 = any); '' = nowhere.
        log_level: debug, info, warning or error.
        insecure: Allow listening beyond this machine although there are no keys yet.
    """

    data_dir: Path = Path(".assay")
    clickhouse_url: str = ""
    database: str = "assay"
    expressions_url: str = field(default="", repr=False)
    otlp_grpc: str = "127.0.0.1:4317"
    otlp_http: str = "127.0.0.1:4318"
    exporters: int = 1
    cors_origins: str = ""
    grpc: str = "127.0.0.1:4320"
    clickhouse_http: str = "127.0.0.1:8123"
    judge_model: str = ""
    judge_small_model: str = ""
    reflection_model: str = ""
    judge_base_url: str = ""
    judge_api_key: str = field(default="", repr=False)
    judges: str = field(default="", repr=False)  # should somebody write a key there
    trace_idle_seconds: float = 30.0
    retention_days: str = ""
    min_free_disk_mb: int = 512
    redaction: str = OFF
    judge_redaction: str = ""
    daily_budget_calls: int = 0
    daily_budget_tokens: int = 0
    daily_budget_usd: float = 0.0
    judge_cache: bool = True
    otlp_out: str = ""
    otlp_out_headers: str = field(default="", repr=False)
    webhook_hosts: str = ""
    webhook_secret: str = field(default="", repr=False)
    prometheus: str = ""
    log_level: str = "info"
    insecure: bool = False

    def __post_init__(self) -> None:
        for name in (*LISTENERS, "clickhouse_http", *(["prometheus"] if self.prometheus else [])):
            host, _, port = getattr(self, name).rpartition(":")
            if not host or not port.isdigit() or int(port) > 65535:
                raise InvalidSetting(
                    f"{_variable(name)} must be host:port (port 0 = any free one), got {getattr(self, name)!r}"
                )
            if name == "clickhouse_http" and host not in LOOPBACK and not self.clickhouse_url:
                raise InvalidSetting(
                    f"{_variable(name)}={self.clickhouse_http} is not on loopback, and the embedded ClickHouse listens "
                    "nowhere else: use 127.0.0.1, or run a server of your own and set ASSAY_CLICKHOUSE_URL"
                )
            if name in (*LISTENERS, "prometheus") and host not in LOOPBACK and not self.insecure:
                raise InvalidSetting(
                    f"{_variable(name)}={getattr(self, name)} would let everybody in who can reach this machine, and "
                    "there are no keys yet: use 127.0.0.1, or add --insecure on a network that you trust"
                )
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise InvalidSetting(f"ASSAY_LOG_LEVEL must be debug, info, warning or error, got {self.log_level!r}")
        if self.clickhouse_url and not self.clickhouse_url.startswith(("http://", "https://")):
            raise InvalidSetting("ASSAY_CLICKHOUSE_URL must be http(s)://user:password@host:port/database")
        if self.expressions_url and not self.expressions_url.startswith(("http://", "https://")):
            raise InvalidSetting("ASSAY_EXPRESSIONS_URL must be http(s)://user:password@host:port/database")
        if not 1 <= self.exporters <= MAX_EXPORTERS:
            raise InvalidSetting(f"ASSAY_EXPORTERS must be 1 to {MAX_EXPORTERS}, got {self.exporters!r}")
        for origin in self.web_origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise InvalidSetting(
                    "ASSAY_CORS_ORIGINS must be * or a list like https://app.example.com,http://localhost:3000 (as "
                    f"browsers send it: lower case, no path), got {origin!r}"
                )
        if self.min_free_disk_mb < 0:
            raise InvalidSetting(f"ASSAY_MIN_FREE_DISK_MB must be 0 or more, got {self.min_free_disk_mb!r}")
        for name in ("daily_budget_calls", "daily_budget_tokens", "daily_budget_usd"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidSetting(f"{_variable(name)} must be 0 (no limit) or more, got {getattr(self, name)!r}")
        if not 0 < self.trace_idle_seconds < math.inf:
            raise InvalidSetting(
                f"ASSAY_TRACE_IDLE_SECONDS must be above 0 and finite, got {self.trace_idle_seconds!r}"
            )
        try:
            parse_retention(self.retention_days)
        except ValueError as error:
            raise InvalidSetting(f"ASSAY_RETENTION_DAYS: {error}") from error
        self._check_judges()
        try:
            _ = self.out_address
        except ValueError as error:
            raise InvalidSetting(f"ASSAY_OTLP_OUT (or ASSAY_OTLP_OUT_HEADERS) {error}") from None
        try:
            _ = self.allowed_hosts
        except ValueError as error:
            raise InvalidSetting(f"ASSAY_WEBHOOK_HOSTS {error}") from None
        try:
            _ = WebhookSecrets(self.webhook_secret) if self.webhook_secret else None
        except ValueError as error:
            raise InvalidSetting(f"ASSAY_WEBHOOK_SECRET {error}") from None
        if not self.database.replace("_", "").isalnum():
            raise InvalidSetting(f"ASSAY_DATABASE must be letters, digits and _, got {self.database!r}")

    def _check_judges(self) -> None:
        try:
            known = {endpoint.name for endpoint in self.judge_endpoints}
        except InvalidEndpoint as error:
            raise InvalidSetting(f"ASSAY_JUDGES (or a table of assay.toml): {error}") from None
        for name in ("judge_model", "judge_small_model", "reflection_model"):
            model = getattr(self, name)
            if model.startswith(GATEWAY) and model.removeprefix(GATEWAY) not in known:
                raise InvalidSetting(
                    f"{_variable(name)}={model} names no endpoint; tables [judges.NAME] there are: {sorted(known)}"
                )
            if model == SMALL:
                raise InvalidSetting(f"{_variable(name)} must name a model; {SMALL} is what metrics say")

    @property
    def judge_endpoints(self) -> tuple[Endpoint, ...]:
        """`judges` one by one."""
        return endpoints_of(self.judges)

    @property
    def out_address(self) -> OutAddress | None:
        """`otlp_out` and its headers; None = results go nowhere."""
        return OutAddress(url=self.otlp_out, headers=self.otlp_out_headers) if self.otlp_out else None

    @property
    def allowed_hosts(self) -> WebhookHosts:
        """`webhook_hosts`, read."""
        return WebhookHosts(text=self.webhook_hosts)

    @property
    def web_origins(self) -> tuple[str, ...]:
        """`cors_origins` one by one."""
        return tuple(origin.strip() for origin in self.cors_origins.split(",") if origin.strip())


def load(
    flags: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    file: Path = Path("assay.toml"),
) -> Settings:
    """Settings in force; a flag of None was not given.

    Raises:
        InvalidSetting: One of them is unknown or not acceptable.
    """
    environment = os.environ if environment is None else environment
    known = {field.name for field in fields(Settings)}
    values: dict[str, object] = {}
    if file.exists():
        try:
            written = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidSetting(f"{file} is not TOML: {error}") from error
        if unknown := set(written) - known:
            raise InvalidSetting(f"{file} has unknown settings {sorted(unknown)}; known are {sorted(known)}")
        values.update(written)
    values.update({name: environment[_variable(name)] for name in known if environment.get(_variable(name))})
    values.update({name: value for name, value in (flags or {}).items() if value is not None})
    return Settings(**{name: _typed(name, value) for name, value in values.items()})  # type: ignore[arg-type]


def _variable(name: str) -> str:
    return f"ASSAY_{name.upper()}"


def _typed(name: str, value: object) -> object:
    """A value from text or TOML as the type of its field."""
    kind = {field.name: str(field.type) for field in fields(Settings)}[name]
    try:
        match kind:
            case "Path":
                return Path(str(value)).expanduser()
            case "int":
                return int(str(value))
            case "float":
                return float(str(value))
            case "bool":
                return value if isinstance(value, bool) else _switch(str(value))
            case _ if isinstance(value, dict):  # tables of the file
                return json.dumps(value)
            case _:
                return str(value)
    except (ValueError, KeyError):
        raise InvalidSetting(f"{_variable(name)} must be {_SAID[kind]}, got {value!r}") from None


_SAID = {"int": "a whole number", "float": "a number", "bool": "true or false"}


_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def _switch(text: str) -> bool:
    return _SWITCH[text.lower()]
