"""The ``train`` part of a spec: what makes a version, and where it comes from if nothing is fitted.

    fitted here   sklearn, xgboost, lightgbm     estimator, search
                  own                            a function of the owner's that fits, search
    brought       onnx, torch                    a file that travels with the job
                  xgboost, lightgbm              so, with a section booster in place of an estimator
                  mlflow                         a model folder of MLflow that travels with the job
                  rules                          a decision table, or a plain Python function
                  remote                         an endpoint that somebody else runs

A brought version goes through the same gates as a fitted one: it is asked about the same rows.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from runtime.domain.base import Document
from runtime.domain.ids import Digest
from runtime.domain.metrics import Metric
from runtime.domain.misfit import misfit
from runtime.domain.pools import Size
from runtime.domain.terms import Duration, SearchTerm, Share

FITTED = ("sklearn", "xgboost", "lightgbm", "own")

Named = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""``package.module:name``, in the code that travels with the job."""

Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,127}$")]
"""The name of an environment variable; its value never stands in a spec or an artifact."""


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("expected a duration longer than nothing")
    return value


Period = Annotated[Duration, AfterValidator(_positive)]
"""A duration that something is divided by, so it is never 0."""


def _inside(value: str) -> str:
    if value.startswith("/") or ".." in value.split("/"):
        raise ValueError("expected a path inside the folder that travels with the job")
    return value


JobFile = Annotated[str, StringConstraints(min_length=1), AfterValidator(_inside)]


class OnnxFile(Document):
    """A model as ONNX. ``output`` names the graph's output that is the answer; absent, the first of numbers."""

    file: JobFile
    digest: Digest | None = None
    output: str | None = None


class BoosterFile(Document):
    """A booster that was fitted elsewhere, on numbers alone: XGBoost's JSON or UBJSON, or LightGBM's text."""

    file: JobFile
    digest: Digest | None = None


class MlflowFolder(Document):
    """A folder with an ``MLmodel`` in it. ``flavor``: which of its flavors is taken; absent, the first of these that
    it has. ``digest`` is of the one model file that is taken.
    """

    folder: JobFile
    flavor: Literal["onnx", "xgboost", "lightgbm", "sklearn"] | None = None
    digest: Digest | None = None


class TorchWeights(Document):
    """Weights as safetensors, and the ``torch.nn.Module`` without arguments that they are the state of."""

    file: JobFile
    module: Named
    digest: Digest | None = None


class Rules(Document):
    """Either a decision table in YAML, or a function of one row: a dict of columns to a number."""

    table: JobFile | None = None
    function: Named | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.table is None) == (self.function is None):
            found = "both" if self.table else "neither"
            raise misfit("", found, "either table (a YAML file) or function (package.module:name)")
        return self


class Breaker(Document):
    """After ``failures`` in a row nothing is asked for ``rest``; then one question decides whether it goes on."""

    failures: int = Field(default=5, ge=1)
    rest: Period = timedelta(seconds=30)


class Remote(Document):
    """Somebody else's HTTP endpoint. ``timeout`` holds for each of 1 + ``retries`` tries.

    ``speaks``: ``oip`` (Open Inference Protocol v2, ``url`` ends in /infer) or ``mlflow`` (``dataframe_split``).
    ``credential`` names the environment variable that holds what is sent in ``header`` after ``scheme``.
    """

    url: str
    speaks: Literal["oip", "mlflow"] = "oip"
    output: str | None = None
    credential: Variable | None = None
    header: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")] = "Authorization"
    scheme: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]*$")] = "Bearer"
    timeout: Period = timedelta(seconds=2)
    retries: int = Field(default=2, ge=0, le=10)
    backoff: Period = timedelta(seconds=0.1)
    breaker: Breaker = Breaker()
    private_networks: bool = False

    @model_validator(mode="after")
    def _is_an_address(self) -> Self:
        try:
            parts = urlsplit(self.url)
            valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            raise misfit("url", repr(self.url), "an address such as https://vendor.example/v2/models/m/infer") from None
        if not valid:
            raise misfit("url", repr(self.url), "an address such as https://vendor.example/v2/models/m/infer")
        if parts.username is not None or parts.password is not None:
            raise misfit("url", "a user or password in it", "an address without; name a variable in credential")
        if self.credential is not None and parts.scheme != "https" and not self.private_networks:
            raise misfit("url", repr(self.url), "https, since a credential is sent there")
        return self


class OwnTrainer(Document):
    """A function in the code that travels with the job; ``flavors/own.py`` says what it is given and must give."""

    function: Named


class FitResources(Document):
    """What one fit reserves of the cluster: Ray runs no more of them at a time than there is room for.

    ``memory`` (bytes) is reserved, not enforced.
    """

    cpus: float = Field(default=1, gt=0, le=1024)
    gpus: float = Field(default=0, ge=0, le=64)
    memory: Annotated[Size, Field(ge=0, lt=1 << 53)] = 0

    @property
    def options(self) -> dict[str, Any]:
        """As Ray's tasks take them."""
        found: dict[str, Any] = {"num_cpus": self.cpus}
        return found | ({"num_gpus": self.gpus} if self.gpus else {}) | ({"memory": self.memory} if self.memory else {})


class Training(Document):
    """How a version is made: estimator by name, a search space, and how many samples of it are tried.

    A brought version has a section named like its trainer instead, and nothing to search.

    ``search_by``: how samples are drawn; ``bayesian`` (Optuna's TPE) looks where earlier ones were good; absent, they
    are drawn at random. ``early_stopping: asha`` gives up a sample that is among the worse half after some folds.
    ``fit_on``: what one fit reserves; absent, one core.
    """

    trainer: Literal["sklearn", "xgboost", "lightgbm", "own", "onnx", "torch", "rules", "remote", "mlflow"] = "sklearn"
    estimator: str = ""
    own: OwnTrainer | None = None
    booster: BoosterFile | None = None
    mlflow: MlflowFolder | None = None
    onnx: OnnxFile | None = None
    torch: TorchWeights | None = None
    rules: Rules | None = None
    remote: Remote | None = None
    search: dict[str, SearchTerm] = {}
    search_by: Literal["random", "bayesian"] | None = None
    early_stopping: Literal["asha"] | None = None
    fit_on: FitResources | None = None
    trials: int = Field(default=8, ge=1, le=1000)
    folds: int = Field(default=3, ge=2, le=20)
    metric: Metric = Metric.MAE
    holdout: Share = Field(default=0.2, gt=0, lt=1)
    seed: int = 0

    @model_validator(mode="after")
    def _has_what_its_trainer_needs(self) -> Self:
        if self.booster is not None and self.trainer not in {"xgboost", "lightgbm"}:
            raise misfit("booster", "a section", f"no section booster with trainer {self.trainer}")
        for name in ("own", "onnx", "torch", "rules", "remote", "mlflow"):
            given = getattr(self, name) is not None
            if given and name != self.trainer:
                raise misfit(name, "a section", f"no section {name} with trainer {self.trainer}")
            if not given and name == self.trainer:
                raise misfit(name, "nothing", f"a section {name} that says where it comes from")
        if self.is_fitted and self.own is None and not self.estimator:
            raise misfit("estimator", "nothing", f"the name of an estimator of {self.trainer}")
        if self.own is not None and self.estimator:
            raise misfit("estimator", repr(self.estimator), "no estimator with trainer own, whose function makes it")
        brought = "a booster that is brought" if self.booster else f"trainer {self.trainer}"
        if not self.is_fitted and self.estimator:
            raise misfit("estimator", repr(self.estimator), f"no estimator with {brought}")
        if not self.is_fitted and self.search:
            raise misfit("search", ", ".join(self.search), f"nothing to search with {brought}")
        return self

    @model_validator(mode="after")
    def _searches_where_there_is_a_choice(self) -> Self:
        for name in ("search_by", "early_stopping"):
            if getattr(self, name) is not None and not self.leaves_a_choice:
                raise misfit(name, repr(getattr(self, name)), "a parameter in search that can take several values")
        return self

    @property
    def leaves_a_choice(self) -> bool:
        """Whether the search space has more than one point."""
        return any(term.is_open for term in self.search.values())

    @property
    def reserved(self) -> FitResources:
        """What one fit reserves."""
        return self.fit_on or FitResources()

    @property
    def is_fitted(self) -> bool:
        """Whether versions are fitted here, as opposed to brought."""
        return self.trainer in FITTED and self.booster is None

    @property
    def made_by(self) -> str:
        """What a version records as its estimator: the class, the file, the function or the endpoint's host."""
        if (file := self.booster or self.onnx) is not None:
            return file.file
        if self.mlflow is not None:
            return self.mlflow.folder
        if self.torch is not None:
            return self.torch.module
        if self.rules is not None:
            return self.rules.function or self.rules.table or ""
        if self.remote is not None:
            return urlsplit(self.remote.url).hostname or ""
        return self.estimator if self.own is None else self.own.function

    def as_document(self) -> dict[str, Any]:
        """Without an empty ``estimator``, so that a fitted spec reads as it always did."""
        return {name: value for name, value in super().as_document().items() if (name, value) != ("estimator", "")}
