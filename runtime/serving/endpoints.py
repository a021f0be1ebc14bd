"""Every method and path that a replica answers, what each lets its caller do, and which handler answers it."""

from __future__ import annotations

from runtime.serving.router import Action, Endpoint

_OPEN, _READ, _PREDICT, _REPORT = Action.OPEN, Action.READ, Action.PREDICT, Action.REPORT

_OIP = (
    Endpoint("GET", "/v2", "server_metadata", _OPEN),
    Endpoint("GET", "/v2/health/live", "server_live", _OPEN),
    Endpoint("GET", "/v2/health/ready", "server_ready", _OPEN),
    Endpoint("GET", "/v2/models", "model_names", _READ),
    Endpoint("GET", "/v2/models/{model}", "model_metadata", _READ),
    Endpoint("GET", "/v2/models/{model}/versions/{version}", "model_metadata", _READ),
    Endpoint("GET", "/v2/models/{model}/ready", "model_ready", _READ),
    Endpoint("GET", "/v2/models/{model}/versions/{version}/ready", "model_ready", _READ),
    Endpoint("POST", "/v2/models/{model}/infer", "infer", _PREDICT),
    Endpoint("POST", "/v2/models/{model}/versions/{version}/infer", "infer", _PREDICT),
    Endpoint("POST", "/v2/models/{model}/explain", "explain", _PREDICT),
    Endpoint("GET", "/v2/models/{model}/decisions/{decision}/explanation", "decision_explanation", _READ),
    Endpoint("POST", "/v2/repository/index", "repository_index", _READ),
    Endpoint("POST", "/v2/models/{model}/outcomes", "outcomes", _REPORT),
)
_KSERVE = (
    Endpoint("GET", "/v1/models", "model_names", _READ),
    Endpoint("GET", "/v1/models/{model}", "model_ready", _READ),
    Endpoint("POST", "/v1/models/{model}:predict", "kserve_predict", _PREDICT),
    Endpoint("POST", "/v1/models/{model}:explain", "kserve_explain", _PREDICT),
)
_MLFLOW = (Endpoint("POST", "/models/{model}/invocations", "mlflow_invocations", _PREDICT),)
_ITSELF = (Endpoint("GET", "/openapi.json", "description", _OPEN),)

_MODEL, _VERSION = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
_MEMORY = [f"/v2/{kind}sharedmemory" for kind in ("system", "cuda")]
_ABSENT = [
    *(("GET", f"{path}/{what}") for path in (_MODEL, _VERSION) for what in ("config", "stats")),
    *(("POST", f"{path}/{what}") for path in (_MODEL, _VERSION) for what in ("generate", "generate_stream")),
    *((method, path) for method in ("GET", "POST") for path in ("/v2/trace/setting", f"{_MODEL}/trace/setting")),
    *((method, "/v2/logging") for method in ("GET", "POST")),
    *(("POST", f"/v2/repository/models/{{model}}/{verb}") for verb in ("load", "unload")),
    *(("GET", f"{memory}{region}/status") for memory in _MEMORY for region in ("", "/region/{region}")),
    *(("POST", f"{memory}/region/{{region}}/{verb}") for memory in _MEMORY for verb in ("register", "unregister")),
    *(("POST", f"{memory}/unregister") for memory in _MEMORY),
]
_UNSUPPORTED = tuple(Endpoint(method, path, "unsupported", _OPEN) for method, path in _ABSENT)
"""What clients of the protocol may ask for and is not here: 501, with an ``error`` that they show."""

ENDPOINTS = (*_OIP, *_KSERVE, *_MLFLOW, *_ITSELF, *_UNSUPPORTED)
