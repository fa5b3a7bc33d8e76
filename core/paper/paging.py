"""Pages of a list as the base framework cuts them."""

from __future__ import annotations

from typing import Final

from v4_proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest, PageResponse

_DEFAULT_LIMIT: Final = 100


def page(keys: list[bytes], request: PageRequest) -> tuple[list[int], PageResponse]:
    """Indexes of the rows of a page, by the rows' keys. The total is counted where it was asked for
    and where no limit was given.
    """
    order = list(range(len(keys)))
    if request.reverse:
        order.reverse()
    start = request.offset
    if request.key:
        start = next((at for at, index in enumerate(order) if keys[index] == request.key), 0)
    limit = request.limit or _DEFAULT_LIMIT
    chosen = order[start : start + limit]
    behind = order[start + limit :]
    counted = request.count_total or not request.limit
    return chosen, PageResponse(
        next_key=keys[behind[0]] if behind else b"",
        total=len(keys) if counted and not request.key else 0,
    )
