"""Bounds on what asyncua 2.1.0 makes of hostile bytes; without them some ten of them are an endless loop or all memory.

It goes back in a message by a length below zero, builds as many nulls as an array of them announces, and fills a matrix
up to the size that it claims to have.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary

# what its decoder raises for bytes that are not what they should be
HOSTILE: Final = (
    ValueError, LookupError, struct.error, TypeError, AttributeError, ArithmeticError, AssertionError, RecursionError,
)  # fmt: skip


def set_bounds() -> None:
    """Put the bounds in place, in all of this process; once more changes nothing."""
    if getattr(Buffer, "bounded", False):
        return
    Buffer.read = _forward(Buffer.read)  # type: ignore[method-assign,assignment]
    Buffer.skip = _forward(Buffer.skip)  # type: ignore[method-assign,assignment]
    Buffer.bounded = True  # type: ignore[attr-defined]
    array_of = ua_binary._create_uatype_array_deserializer

    def bounded_array_of(kind: ua.VariantType) -> Callable[[Any], list[Any] | None]:
        return _refuse if kind == ua.VariantType.Null else array_of(kind)

    ua_binary._create_uatype_array_deserializer = bounded_array_of  # type: ignore[assignment]
    ua_binary._reshape = lambda flat, dims: flat  # we read no matrices


def _forward(step: Callable[[Buffer, int], Any]) -> Callable[[Buffer, int], Any]:
    def bounded(buffer: Buffer, size: int) -> Any:
        if size < 0:
            raise ua.UaError(f"a length of {size}")
        return step(buffer, size)

    return bounded


def _refuse(_data: Any) -> list[Any] | None:
    raise ua.UaError("an array of nothing")
