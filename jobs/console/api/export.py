"""Case files: PDF, JSON or CSV of a ring as it stands, masked; and leave to save its picture, which a browser draws itself."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import Body, Request, Response
from pydantic import BaseModel, ConfigDict

from jobs.casefile import Case, hash_case, render_csv, render_json, render_pdf
from jobs.console.api.rings import kept_ring
from jobs.console.case_reading import read_case
from jobs.console.endpoints import Endpoint, RingPath
from jobs.console.lake_rings import etag
from jobs.console.runtime import actor_of, console_of

__all__ = ["ENDPOINTS"]

FORMATS: dict[str, tuple[Callable[[Case], bytes], str]] = {
    "pdf": (render_pdf, "application/pdf"),
    "json": (render_json, "application/json"),
    "csv": (render_csv, "text/csv; charset=utf-8"),
}


class ExportRequest(BaseModel):
    """Which file. `png` is the picture: the browser makes it once it has leave to, so its answer has no body."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["pdf", "json", "csv", "png"]


def export_case(request: Request, ring_id: RingPath, wanted: Annotated[ExportRequest, Body()]) -> Response:
    """The case as a file. `X-Case-Sha256` is of its canonical form, the same for all formats. 204 for `png`: the picture may be saved."""
    console, actor = console_of(request), actor_of(request)
    if wanted.format == "png":
        kept_ring(console, ring_id)
        return Response(status_code=204)
    case = read_case(console, ring_id, actor.name, console.clock())
    render, media = FORMATS[wanted.format]
    headers = {
        "Content-Disposition": f'attachment; filename="case-{case.ring_version[:16]}.{wanted.format}"',
        "ETag": etag(case.ring_version),
        "X-Case-Sha256": hash_case(case),
    }
    return Response(render(case), 200, headers, media)


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/v1/rings/{ring_id}/exports",
        export_case,
        media=tuple(media for _, media in FORMATS.values()),
        has_bare=True,
    ),
)
