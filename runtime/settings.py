"""What the environment says: where Fleetward keeps its things and how it finds them.

FLEETWARD_HOME       folder of this installation (default .fleetward in the working directory)
FLEETWARD_DATABASE   URL of the ledger: sqlite:////file or postgresql://user:password@host/name (default sqlite
                     in FLEETWARD_HOME)
FLEETWARD_STORE      object store: a folder, file:// or s3:// URL (default a folder in FLEETWARD_HOME)
FLEETWARD_KEY        the governor's signing key: a file (default in FLEETWARD_HOME), or awskms:///ALIAS-OR-ARN
FLEETWARD_TRUSTED_KEYS  earlier signing keys that are still believed: VKEY, VKEY (default none)
FLEETWARD_ORIGIN     the ledger's name in its checkpoints, such as example.com/ledger (default one of its first entry)
FLEETWARD_WITNESSES  who cosigns its checkpoints: URL VKEY, URL VKEY (default nobody)
FLEETWARD_ANCHOR     a bucket with object lock that keeps its checkpoints: s3://bucket/prefix (default none)
FLEETWARD_ANCHOR_DAYS  for how long (default 3650)
FLEETWARD_PRINCIPAL  who acts at this command line (default user:<login name>)
FLEETWARD_AUTHENTICATION  required (default), or none: then everybody is believed, and Serve must be on loopback
FLEETWARD_PEPPER     the secret that API keys are checked with: a file of mode 0600, the same wherever a replica runs
                     (default in FLEETWARD_HOME)
FLEETWARD_OIDC       the identity provider whose tokens are accepted: a YAML file (default none)
FLEETWARD_CREDENTIAL who this command line proves to be: a file of mode 0600 with the line
                     "authorization: Bearer CREDENTIAL" (default in FLEETWARD_HOME)
FLEETWARD_URL        a fleet that this command line reaches over HTTP, without Ray: https://HOST:PORT (default the
                     cluster of FLEETWARD_HOME)
FLEETWARD_TLS_CERTIFICATE, FLEETWARD_TLS_KEY  PEM files, for Serve's own proxy (default none)
FLEETWARD_REPLICAS   replicas of the default pool (default 2)
FLEETWARD_SERVING_LABELS  which machines replicas run on, by Ray's labels: KEY=VALUE, KEY=VALUE (default any)
FLEETWARD_POOL_BYTES  memory for the versions that one replica holds (default 2147483648); least used ones leave first
FLEETWARD_FIRST_LOAD_BYTES, FLEETWARD_FIRST_LOAD_SECONDS  what a version may take when a machine loads it for the first
                     time, in a process of its own (default 2147483648 and 30)
FLEETWARD_SUBJECTS   folder of the keys of data subjects, shared by all machines that run a replica (default in
                     FLEETWARD_HOME)
FLEETWARD_SEAL_SECONDS  how often a replica seals what it captured (default 5)
FLEETWARD_LINEAGE    who is told of prepare, train and retrain in OpenLineage: file:///FILE or https://COLLECTOR
                     (default nobody)
FLEETWARD_MONITORS   monitors that share the fleet's models (default 1)
FLEETWARD_MONITOR_SAVE_SECONDS  how often a monitor saves what it knows, at the end of a tick (default 300; 0: of each)
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runtime.domain.errors import SettingsError
from runtime.domain.tokens import Mode


class Settings(BaseModel):
    """Settings, valid once built."""

    model_config = ConfigDict(frozen=True)

    home: Path
    database: str
    store: str
    key: str
    trusted_keys: str = ""
    origin: str = Field(pattern=r"^[^\s+]*$")
    witnesses: str = ""
    anchor: str = Field(default="", pattern=r"^(s3://.+)?$")
    anchor_days: int = Field(default=3650, ge=1, le=36500)
    principal: str = Field(pattern=r"^(user|job|service):[\x21-\x7e]+$")
    authentication: Mode = "required"
    pepper: Path
    oidc: str = ""
    credential: Path
    url: str = Field(default="", pattern=r"^(https?://[^\s/]+.*)?$")
    tls_certificate: str = ""
    tls_key: str = ""
    replicas: int = Field(ge=1, le=1000)
    serving_labels: str = Field(default="", pattern=r"^([^=,\s]+=[^=,\s]+(,\s*[^=,\s]+=[^=,\s]+)*)?$")
    pool_bytes: int = Field(default=2 << 30, ge=1 << 20)
    first_load_bytes: int = Field(default=2 << 30, ge=64 << 20)
    first_load_seconds: float = Field(default=30.0, gt=0, le=3600)
    seal_seconds: float = Field(gt=0, le=3600)
    lineage: str = Field(default="", pattern=r"^((file:///|https?://).+)?$")
    subjects: Path
    monitors: int = Field(default=1, ge=1, le=1000)
    monitor_save_seconds: float = Field(default=300.0, ge=0, le=86400)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings of this process. Raises ``SettingsError`` naming the variable."""
        home = Path(environment.get("FLEETWARD_HOME", ".fleetward")).resolve()
        values = {
            "home": home,
            "database": environment.get("FLEETWARD_DATABASE", f"sqlite:///{home / 'ledger.db'}"),
            "store": environment.get("FLEETWARD_STORE", str(home / "store")),
            "key": environment.get("FLEETWARD_KEY", str(home / "keys" / "governor.pem")),
            "trusted_keys": environment.get("FLEETWARD_TRUSTED_KEYS", ""),
            "origin": environment.get("FLEETWARD_ORIGIN", ""),
            "witnesses": environment.get("FLEETWARD_WITNESSES", ""),
            "anchor": environment.get("FLEETWARD_ANCHOR", ""),
            "anchor_days": environment.get("FLEETWARD_ANCHOR_DAYS", "3650"),
            "principal": environment.get("FLEETWARD_PRINCIPAL", f"user:{_login()}"),
            "authentication": environment.get("FLEETWARD_AUTHENTICATION", "required"),
            "pepper": environment.get("FLEETWARD_PEPPER", str(home / "keys" / "pepper")),
            "oidc": environment.get("FLEETWARD_OIDC", ""),
            "credential": environment.get("FLEETWARD_CREDENTIAL", str(home / "keys" / "credential")),
            "url": environment.get("FLEETWARD_URL", ""),
            "tls_certificate": environment.get("FLEETWARD_TLS_CERTIFICATE", ""),
            "tls_key": environment.get("FLEETWARD_TLS_KEY", ""),
            "replicas": environment.get("FLEETWARD_REPLICAS", "2"),
            "serving_labels": environment.get("FLEETWARD_SERVING_LABELS", ""),
            "pool_bytes": environment.get("FLEETWARD_POOL_BYTES", str(2 << 30)),
            "first_load_bytes": environment.get("FLEETWARD_FIRST_LOAD_BYTES", str(2 << 30)),
            "first_load_seconds": environment.get("FLEETWARD_FIRST_LOAD_SECONDS", "30"),
            "seal_seconds": environment.get("FLEETWARD_SEAL_SECONDS", "5"),
            "lineage": environment.get("FLEETWARD_LINEAGE", ""),
            "subjects": environment.get("FLEETWARD_SUBJECTS", str(home / "keys" / "subjects")),
            "monitors": environment.get("FLEETWARD_MONITORS", "1"),
            "monitor_save_seconds": environment.get("FLEETWARD_MONITOR_SAVE_SECONDS", "300"),
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problem = error.errors()[0]
            name = f"FLEETWARD_{str(problem['loc'][0]).upper()}"
            raise SettingsError(name, str(problem["input"]), problem["msg"]) from error

    @property
    def wal(self) -> Path:
        """Write-ahead files of this node's replicas."""
        return self.home / "wal"

    @property
    def passed(self) -> Path:
        """Which artifacts passed their first load on this node."""
        return self.home / "passed"

    @property
    def serving_on(self) -> dict[str, str]:
        """The labels that a replica's machine must have."""
        return dict(pair.strip().split("=") for pair in self.serving_labels.split(",") if pair.strip())

    def as_environment(self) -> dict[str, str]:
        """Variables that give another process the same settings."""
        return {
            "FLEETWARD_HOME": str(self.home),
            "FLEETWARD_DATABASE": self.database,
            "FLEETWARD_STORE": self.store,
            "FLEETWARD_KEY": self.key,
            "FLEETWARD_TRUSTED_KEYS": self.trusted_keys,
            "FLEETWARD_ORIGIN": self.origin,
            "FLEETWARD_WITNESSES": self.witnesses,
            "FLEETWARD_ANCHOR": self.anchor,
            "FLEETWARD_ANCHOR_DAYS": str(self.anchor_days),
            "FLEETWARD_PRINCIPAL": self.principal,
            "FLEETWARD_AUTHENTICATION": self.authentication,
            "FLEETWARD_PEPPER": str(self.pepper),
            "FLEETWARD_OIDC": self.oidc,
            "FLEETWARD_CREDENTIAL": str(self.credential),
            "FLEETWARD_URL": self.url,
            "FLEETWARD_TLS_CERTIFICATE": self.tls_certificate,
            "FLEETWARD_TLS_KEY": self.tls_key,
            "FLEETWARD_REPLICAS": str(self.replicas),
            "FLEETWARD_SERVING_LABELS": self.serving_labels,
            "FLEETWARD_POOL_BYTES": str(self.pool_bytes),
            "FLEETWARD_FIRST_LOAD_BYTES": str(self.first_load_bytes),
            "FLEETWARD_FIRST_LOAD_SECONDS": f"{self.first_load_seconds:g}",
            "FLEETWARD_SEAL_SECONDS": f"{self.seal_seconds:g}",
            "FLEETWARD_LINEAGE": self.lineage,
            "FLEETWARD_SUBJECTS": str(self.subjects),
            "FLEETWARD_MONITORS": str(self.monitors),
            "FLEETWARD_MONITOR_SAVE_SECONDS": f"{self.monitor_save_seconds:g}",
        }


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "nobody"
