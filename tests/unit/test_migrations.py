"""Names of migrations: dbmate knows each by its version alone."""

from __future__ import annotations

from collections import Counter

from cli.paths import MIGRATIONS


def test_no_two_migrations_have_one_version() -> None:
    versions = Counter(file.name.partition("_")[0] for file in MIGRATIONS.glob("*.sql"))
    assert versions, "there are some"
    assert [version for version, count in versions.items() if count > 1] == []
