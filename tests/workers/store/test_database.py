from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from workers.store.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy import Engine


def of_metadata(_object: object, name: str | None, type_: str, reflected: bool, _compare_to: object) -> bool:
    """Partitions are made by `partitions.ensure`, not by the metadata."""
    return not (type_ == "table" and reflected and re.search(r"_(\d{4}_\d\d|default)$|^alembic_version$", name or ""))


def test_migrations_build_what_the_metadata_say(engine: Engine):
    with engine.connect() as conn:
        context = MigrationContext.configure(
            conn, opts={"include_object": of_metadata, "compare_server_default": True, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []


def test_json_goes_both_ways(engine: Engine):
    with engine.connect() as conn:
        assert conn.scalar(text("SELECT '{\"a\": [1, null]}'::jsonb")) == {"a": [1, None]}
