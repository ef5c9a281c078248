"""Keyset paging: a page costs its own rows, however long the table is."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from collections.abc import Sequence

from stackwright.kit.page import Order


def page_statement(
    table: str,
    key: str,
    listed: str,
    *,
    order: Order,
    after: bool,
    before: bool,
    where: Sequence[tuple[str, bool]],
    alive: str = "",
) -> str:
    """Return the SELECT of one kind of page.

    Its arguments are the tenant, the values of `where` that are not NULL, the cursors, and the limit. A cursor is an
    identity; the statement looks up its place itself, and finds nothing when there is no such row.

    Args:
        table: The table, quoted.
        key: The column that holds identities, quoted.
        listed: The columns to select.
        order: The order of the list.
        after: Whether a cursor says where to begin.
        before: Whether a cursor says where to end. Without `after`, rows come back to front.
        where: Columns to compare, quoted, and whether with NULL.
        alive: What is true of rows that may be seen.
    """
    number = 1
    conditions = ["tenant = $1", alive] if alive else ["tenant = $1"]
    for column, is_null in where:
        number += not is_null
        conditions.append(f"{column} IS NULL" if is_null else f"{column} = ${number}")
    ascending = order == "asc"
    for wanted, forward in ((after, True), (before, False)):
        if wanted:
            number += 1
            sign = ">" if ascending is forward else "<"
            conditions.append(f"seq {sign} (SELECT seq FROM {table} WHERE tenant = $1 AND {key} = ${number})")
    direction = "ASC" if ascending is not (before and not after) else "DESC"
    return f"SELECT {listed} FROM {table} WHERE {' AND '.join(conditions)} ORDER BY seq {direction} LIMIT ${number + 1}"
