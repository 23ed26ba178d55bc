"""Settings from the environment, and the schema that they lead to."""

import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from resumatch.backend.config import ConfigurationError, Settings, async_database_url
from resumatch.backend.migrate import upgrade
from resumatch.backend.models import Base

BASE = {
    "RESUMATCH_DATABASE_URL": "postgres://user:hunter2@db.example/resumatch?sslmode=require",
    "RESUMATCH_REDIS_URL": "redis://:hunter2@cache.example",
}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p@h:1/d?sslmode=require", "postgresql+asyncpg://u:p@h:1/d?ssl=require"),
        ("postgresql://u@/d?host=/run/pg", "postgresql+asyncpg://u@/d?host=%2Frun%2Fpg"),
        ("postgresql:///d?host=/run/pg", "postgresql+asyncpg:///d?host=%2Frun%2Fpg"),
    ],
)
def test_a_database_url_is_made_one_for_the_driver(url: str, expected: str) -> None:
    assert async_database_url(url) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RESUMATCH_DATABASE_URL", ""),
        ("RESUMATCH_DATABASE_URL", "mysql://user:hunter2@db/x"),
        ("RESUMATCH_REDIS_URL", ""),
        ("RESUMATCH_SECRET_KEY", "hunter2"),
        ("RESUMATCH_TRACES_SAMPLE_RATE", "1.5"),
        ("RESUMATCH_POOL_SIZE", "hunter2"),
        ("RESUMATCH_DEMO_FAULTS", "hunter2"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({**BASE, name: value})

    assert name in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_production_demands_a_secret_key() -> None:
    with pytest.raises(ConfigurationError, match="RESUMATCH_SECRET_KEY"):
        Settings.from_environment({**BASE, "RESUMATCH_ENVIRONMENT": "production"})


def test_settings_do_not_show_their_secrets() -> None:
    settings = Settings.from_environment({**BASE, "SENTRY_DSN": "http://hunter2@sentry.example/1"})

    assert "hunter2" not in repr(settings)


@pytest.mark.anyio
async def test_the_migrations_make_what_the_models_say(settings: Settings) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    await upgrade(settings.database_url)
    engine = create_async_engine(settings.database_url)
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()

    assert found == []


def test_the_readme_lists_exactly_the_variables_that_are_read() -> None:
    folder = Path(__file__).parents[2] / "resumatch" / "backend"
    code = (folder / "config.py").read_text()
    read = set(re.findall(r'reader\.\w+\(\s*"([A-Z_]+)"', code))
    documented = set(re.findall(r"`RESUMATCH_([A-Z_]+)`", (folder / "README.md").read_text()))

    assert read == documented
