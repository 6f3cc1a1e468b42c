"""``/metrics`` for Prometheus, ``/healthz`` and ``/readyz`` for whoever starts and watches the process."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sfu.plugins.api import PluginContext
from sfu.plugins.observability.collector import EngineCollector

__all__ = ["ObservabilityPlugin"]

METRICS_TYPES = {name: {"schema": {"type": "string"}} for name in ("text/plain", "application/openmetrics-text")}
"""By the client's choice."""


class ObservabilityPlugin:
    """Numbers are read when they are asked for; nothing is counted here."""

    name = "observability"

    def setup(self, context: PluginContext) -> None:
        """Adds the three routes."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(EngineCollector(context.runtime, context.conference))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        router = APIRouter(tags=["observability"])

        @router.get(
            "/metrics",
            summary="Metrics in a format that Prometheus reads",
            response_class=Response,
            responses={200: {"content": METRICS_TYPES}},
        )
        async def metrics(request: Request) -> Response:
            encoder, content_type = choose_encoder(request.headers.get("accept", ""))
            return Response(encoder(registry), headers={"Content-Type": content_type})

        @router.get("/healthz", summary="The process lives")
        async def healthz() -> dict[str, str]:
            return {"status": "ok"}

        @router.get(
            "/readyz",
            summary="The process may be given new meetings",
            responses={503: {"description": "it may not; why", "content": {"application/json": {}}}},
        )
        async def readyz() -> JSONResponse:
            reasons = list(context.runtime.not_ready())
            status = {"status": "not ready" if reasons else "ready", "reasons": reasons}
            return JSONResponse(status, status_code=503 if reasons else 200)

        context.include_router(router)
