"""Finding completions by their metadata: one row a pair, in an index that a page reads in order."""

from collections.abc import Iterator, Mapping

from stackwright.kit.page import Order
from stackwright.storage.sql import Do, Migration, Script, SqlBackend, Value
from stackwright.storage.sql.columns import quoted


class MetadataIndex:
    """The pairs of all rows of one table, beside it."""

    def __init__(self, backend: SqlBackend, table_name: str) -> None:
        self._backend = backend
        self._pairs = quoted(f"{table_name}_metadata")
        self._by_row = quoted(f"{table_name}_metadata_row")
        self._rows = quoted(table_name)
        self._add = backend.render(
            f"INSERT INTO {self._pairs} (tenant, key, value, seq) "  # noqa: S608 - names are checked, values are bound
            f"SELECT tenant, $3, $4, seq FROM {self._rows} WHERE tenant = $1 AND id = $2"
        )
        self._remove = backend.render(
            f"DELETE FROM {self._pairs} WHERE tenant = $1 "  # noqa: S608 - as above
            f"AND seq IN (SELECT seq FROM {self._rows} WHERE tenant = $1 AND id = $2)"
        )

    def migrations(self, *, version: int) -> list[Migration]:
        """Return what makes this index, as that version of its table."""
        return [
            Migration(
                version,
                [
                    f"CREATE TABLE {self._pairs} (tenant TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, "
                    "seq BIGINT NOT NULL, PRIMARY KEY (tenant, key, value, seq))",
                    f"CREATE INDEX {self._by_row} ON {self._pairs} (tenant, seq)",
                ],
            )
        ]

    def adding(self, tenant: str, id: str, metadata: Mapping[str, str]) -> Script[None]:
        """Index a row's pairs. The row is there already."""
        for key, value in metadata.items():
            yield Do(self._add, (tenant, id, key, value))

    def removing(self, tenant: str, id: str) -> Script[None]:
        """Forget a row's pairs. The row is still there."""
        yield Do(self._remove, (tenant, id))

    def page(
        self,
        tenant: str,
        metadata: Mapping[str, str],
        *,
        listed: str,
        model: str | None,
        after: str | None,
        order: Order,
        limit: int,
    ) -> Do:
        """Select the `listed` columns of the rows that have all these pairs, in order of arrival."""
        args = Arguments(tenant)
        conditions = [*self._having(metadata, args)]
        if model is not None:
            conditions.append(f"t.model = {args.place(model)}")
        if after is not None:
            sign = ">" if order == "asc" else "<"
            cursor = f"SELECT seq FROM {self._rows} WHERE tenant = $1 AND id = {args.place(after)}"  # noqa: S608 - as above
            conditions.append(f"m.seq {sign} ({cursor})")
        sql = (
            f"SELECT {listed} FROM {self._pairs} m JOIN {self._rows} t ON t.seq = m.seq "  # noqa: S608 - as above
            f"WHERE {' AND '.join(conditions)} ORDER BY m.seq {order} LIMIT {args.place(limit)}"
        )
        return Do(self._backend.render(sql), tuple(args.values))

    def _having(self, metadata: Mapping[str, str], args: "Arguments") -> Iterator[str]:
        """Yield what is true of rows that have all these pairs. The first pair leads: its index entries are in the
        order wanted, so a page costs what it holds."""
        (key, value), *others = metadata.items()
        yield f"m.tenant = $1 AND m.key = {args.place(key)} AND m.value = {args.place(value)}"
        for key, value in others:
            yield (
                f"EXISTS (SELECT 1 FROM {self._pairs} o WHERE o.tenant = $1 "  # noqa: S608 - as above
                f"AND o.key = {args.place(key)} AND o.value = {args.place(value)} AND o.seq = m.seq)"
            )


class Arguments:
    """The values of a statement, each put down where its place in the text is wanted."""

    def __init__(self, *values: Value) -> None:
        self.values = [*values]

    def place(self, value: Value) -> str:
        """Put a value down and return its place."""
        self.values.append(value)
        return f"${len(self.values)}"
