"""What the server answers where it cannot do what was asked: a status, a word for programs, a sentence for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from goldpan.core.errors import GoldpanError, ImageError, InputError, Reason, UnknownName
from goldpan.fetch.client import FetchError
from goldpan.web.serve.plain import Json

_THEIR_FAULT = (Reason.BAD_URL, Reason.SCHEME_NOT_ALLOWED, Reason.PORT_NOT_ALLOWED, Reason.PRIVATE_ADDRESS)


class Problem(BaseModel):
    """Every answer with a status of 400 and above."""

    error: str
    message: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": about}
    for status, about in {
        400: "What is asked for cannot be done.",
        403: "No token, or not from here.",
        404: "No such pool or row.",
        408: "The request did not come in time.",
        413: "The request is too large.",
        502: "An image could not be fetched.",
        503: "The server is busy.",
        504: "It took too long.",
    }.items()
}


class Refused(InputError):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        code: a word for programs.
    """

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.code = status, code


def problem(status: int, code: str, sentence: str, headers: dict[str, str] | None = None) -> Json:
    """Return a problem as a response."""
    return Json(Problem(error=code, message=sentence).model_dump(), status, headers)


def handle_errors(app: FastAPI) -> None:
    """Have every error answered as a `Problem`."""
    app.add_exception_handler(GoldpanError, _ours)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(ValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _of_routing)
    app.add_exception_handler(Exception, _unforeseen)


async def _ours(_: Request, error: Exception) -> Json:
    return Json(as_problem(error).model_dump(), status_of(error))


def as_problem(error: BaseException) -> Problem:
    """Return an error of ours as a problem."""
    if isinstance(error, Refused):
        return Problem(error=error.code, message=str(error))
    if isinstance(error, UnknownName):
        return Problem(error=f"no_such_{error.kind}", message=str(error))
    reason = error.reason if isinstance(error, FetchError | ImageError) else "bad_request"
    return Problem(error=str(reason), message=str(error))


def status_of(error: BaseException) -> int:
    """Return the status of HTTP for an error of ours."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, FetchError) and error.reason not in _THEIR_FAULT:
        return 502
    return 404 if isinstance(error, UnknownName) else 400


async def _not_understood(_: Request, error: Exception) -> Json:
    found: Sequence[Any] = error.errors() if isinstance(error, (RequestValidationError, ValidationError)) else []
    said = [f"{'.'.join(str(part) for part in one['loc']) or 'body'}: {one['msg']}" for one in found[:5]]
    return problem(400, "bad_request", "; ".join(said) or str(error))


async def _of_routing(_: Request, error: Exception) -> Json:
    if not isinstance(error, HTTPException):
        return problem(400, "bad_request", str(error))
    sentence = f"{error.detail.removesuffix('.')}."
    return problem(error.status_code, _WORDS.get(error.status_code, "bad_request"), sentence, dict(error.headers or {}))


_WORDS = {404: "not_found", 405: "method_not_allowed"}


async def _unforeseen(_: Request, __: Exception) -> Json:
    return problem(500, "internal", "The server failed at this request; its log says how.")
