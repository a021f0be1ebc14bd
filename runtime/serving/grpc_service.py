"""``inference.GRPCInferenceService`` as Serve is told of it: the methods, and bytes in place of messages.

Serve imports ``add_service`` in its proxies and replicas and replaces the handlers by calls to a deployment's methods
of the same names. Messages stay bytes on the way: a class that was built at run time cannot travel between processes,
and a replica says itself what is wrong with a message. What is not listed is UNIMPLEMENTED.
"""

from __future__ import annotations

from typing import Any, Final

import grpc  # type: ignore[import-untyped]

from runtime.serving.grpc import GrpcFace, Outcome

SERVICE: Final = "inference.GRPCInferenceService"
SERVICER: Final = "runtime.serving.grpc_service.add_service"
"""Where Serve finds ``add_service``."""
METHODS: Final = (
    *("ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata"),
    *("RepositoryIndex", "ModelInfer"),
)


def add_service(servicer: Any, server: Any) -> None:
    """Add the service's methods to a server; protoc generates this function for others."""
    handlers = {name: grpc.unary_unary_rpc_method_handler(getattr(servicer, name)) for name in METHODS}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


class Methods:
    """What Serve calls by the service's names; a deployment sets ``_application``."""

    _application: GrpcFace

    async def ServerLive(self, message: bytes, grpc_context: Any) -> Outcome:  # noqa: N802
        return await self._answer("ServerLive", message, grpc_context)

    async def ServerReady(self, message: bytes, grpc_context: Any) -> Outcome:  # noqa: N802
        return await self._answer("ServerReady", message, grpc_context)

    async def ServerMetadata(self, message: bytes, grpc_context: Any) -> Outcome:  # noqa: N802
        return await self._answer("ServerMetadata", message, grpc_context)

    async def ModelReady(self, message: bytes, grpc_context: Any) -> Outcome:  # noqa: N802
        return await self._answer("ModelReady", message, grpc_context)

    async def ModelMetadata(self, message: bytes, grpc_context: Any) -> Outcome:  # noqa: N802
        return await self._answer("ModelMetadata", message, grpc_context)

    async def RepositoryIndex(self, message: bytes, grpc_context: Any) -> Outcome:  # noqa: N802
        return await self._answer("RepositoryIndex", message, grpc_context)

    async def ModelInfer(self, message: bytes, grpc_context: Any) -> Outcome:  # noqa: N802
        return await self._answer("ModelInfer", message, grpc_context)

    async def _answer(self, method: str, message: bytes, context: Any) -> Outcome:
        outcome = await self._application.grpc(method, message, context.invocation_metadata(), context.peer())
        if outcome.code is not grpc.StatusCode.OK:
            # Set and not raised: Serve logs what is raised with its trace, and a refused request is no news.
            context.set_code(outcome.code)
            context.set_details(outcome.details)
        if outcome.metadata:
            context.set_trailing_metadata([*context.trailing_metadata(), *outcome.metadata])
        return outcome
