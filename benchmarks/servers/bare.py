"""The model in a bare Serve deployment: what a careful user writes without Fleetward.

A plain ASGI application without FastAPI, orjson both ways, no authentication, no record of anything. It speaks the part
of the Open Inference Protocol that the benchmark sends. ``raw`` asks the fitted estimator as its library answers;
``flavor`` asks the predictor that Fleetward's own replicas hold.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import numpy as np
import orjson
from ray import serve
from ray.serve import Application

from runtime.flavors import load

How = Literal["raw", "flavor"]
Asgi = Callable[[Any, Any, Any], Awaitable[None]]


class Bare:
    """One replica of a model alone."""

    def __init__(self, artifact: bytes, how: How) -> None:
        predictor: Any = load(artifact)
        names = [field.name for field in predictor.schema.inputs]

        def raw(matrix: Any) -> list[float]:
            answers: list[float] = predictor.estimator.predict_proba(matrix)[:, 1].tolist()
            return answers

        def flavor(matrix: Any) -> list[float]:
            answers: list[float] = predictor.predict(dict(zip(names, matrix.T, strict=True))).tolist()
            return answers

        self._application = Answering(raw if how == "raw" else flavor)

    def __serve_build_asgi_app__(self) -> Asgi:
        """What Serve mounts: an object, since uvicorn takes a bound method for ASGI 2."""
        return self._application


class Answering:
    """ASGI 3."""

    def __init__(self, predict: Callable[[Any], list[float]]) -> None:
        self._predict = predict

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or follow the server's lifespan."""
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        content, more = b"", True
        while more:
            message = await receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
        tensor = orjson.loads(content)["inputs"][0]
        values = self._predict(np.array(tensor["data"], dtype=np.float64).reshape(tensor["shape"]))
        output = {"name": "probability", "datatype": "FP64", "shape": [len(values)], "data": values}
        body = orjson.dumps({"model_name": "bare", "model_version": "1", "outputs": [output]})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def bare_app(artifact: bytes, how: How) -> Application:
    """The deployment, with the options of Fleetward's own."""
    deployment = serve.deployment(
        name="Bare",
        num_replicas=1,
        max_ongoing_requests=100,
        ray_actor_options={"num_cpus": 0.1},
        logging_config={"enable_access_log": False},
    )(serve.ingress()(Bare))
    application: Application = deployment.bind(artifact, how)
    return application
