import sqlite3
from typing import Any

import pytest
from sqlalchemy import create_engine, literal, select

from resumatch_monitor.errortracking.store import SearchTooSlowError
from resumatch_monitor.storage.sql.issues_search_bounds import bounded_time


def test_refuses_a_search_with_more_values_than_the_database_takes() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2)

        with pytest.raises(SearchTooSlowError), bounded_time(connection):
            connection.execute(select(literal(1).in_([1, 2, 3])))
    engine.dispose()
