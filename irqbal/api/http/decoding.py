"""A request's query and body: checked, and decoded to the types of its route.

Unknown parameters of a query are refused. Unknown fields of a body are those of a newer client:
they are ignored, and named in the answer.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec

from irqbal.api.backend import ApiError
from irqbal.api.contract import Route
from irqbal.api.http.limits import MAX_BODY
from irqbal.wire import from_builtins, from_json

MOST_FIELDS = 50
"""Parameters of a query, or fields of a form: more than any route has."""
FORM = "application/x-www-form-urlencoded"


class DecodedBody(msgspec.Struct, frozen=True):
    """A body by its route's type (None: the route has none, or it was left out), and the fields
    that this version does not know.
    """

    value: Any = None
    unknown_fields: tuple[str, ...] = ()


def check_length(content_length: str) -> None:
    """Raises ApiError for a Content-Length that is no number, or too large."""
    text = content_length
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) > MAX_BODY:
        raise _too_large()


def _too_large() -> ApiError:
    return ApiError(413, "too-large", f"a body may have {MAX_BODY} bytes; nothing was changed")


def decode_query(text: str, route: Route) -> Any:
    """The query by the route's type, or None if the route has none. Raises ApiError."""
    if route.query is None:
        return None
    values: dict[str, str] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise ApiError(400, "query", f"the query cannot be read: {error}") from error
    for name, value in pairs:
        if name in values:
            raise ApiError(400, "query", f"{name[:100]} stands twice; keep one")
        values[name] = value
    try:
        query = from_builtins(values, route.query, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise ApiError(400, "query", f"the query is not understood: {_text(error)}") from error
    for field in msgspec.structs.fields(route.query):
        # msgspec converts the text `null` to None.
        if field.encode_name in values and getattr(query, field.name) is None:
            raise ApiError(
                400,
                "query",
                f"the query is not understood: {field.encode_name} is `null`; leave it out instead",
            )
    return query


def decode_body(data: bytes, content_type: str, route: Route) -> DecodedBody:
    """The body by the route's type. Raises ApiError."""
    if len(data) > MAX_BODY:
        raise _too_large()
    media = content_type.partition(";")[0].strip().lower()
    if route.form:
        return DecodedBody(_mask_of_form(data, media))
    if route.body is None or (not data and not route.body_required):
        return DecodedBody()
    if data and media not in ("application/json", ""):
        raise ApiError(
            415,
            "media-type",
            f"the body must be application/json, not {media[:100]}; nothing was changed",
        )
    try:
        value = from_json(data, route.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ApiError(
            400, "body", f"the body is not understood: {_text(error)}; nothing was changed"
        ) from error
    known = {field.encode_name for field in msgspec.structs.fields(route.body)}
    unknown = sorted(name[:100] for name in msgspec.json.decode(data) if name not in known)
    return DecodedBody(value, tuple(unknown))


def _mask_of_form(data: bytes, media: str) -> str:
    """The field `affinity` of the form that irq_manager's clients send. Raises ApiError."""
    if media != FORM:
        raise ApiError(
            415,
            "media-type",
            "the body must be a form with the field `affinity`; nothing was changed",
        )
    try:
        fields = parse_qsl(
            data.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise ApiError(400, "body", "the form cannot be read; nothing was changed") from error
    masks = [value for name, value in fields if name == "affinity"]
    if len(masks) != 1:
        raise ApiError(
            400,
            "body",
            "the form must have the field `affinity`, a hex mask, once; nothing was changed",
        )
    return masks[0]


def _text(error: BaseException) -> str:
    return str(error).replace("\n", " ")[:300]
