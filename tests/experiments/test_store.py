"""What is stored, read again: older tables, and tables that balance."""

from pathlib import Path

import pandas as pd
import pytest

from experiments import store
from experiments.design import CONDITION_COLUMNS, Condition
from tests import inventing


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A comparison's tables, of one variant."""
    return inventing.stored(inventing.a_table(there=lambda condition: condition.variant == "websocket"), tmp_path)


def test_a_table_of_an_older_version_is_read_under_todays_names(stored: Path) -> None:
    today = store.read_runs(stored / "runs.csv")
    assert not today.suspect.any()
    older = today.rename(columns={"variant": "way", "late_joiners": "newcomers", "suspect_because": "suspicions"})
    older["valid"] = ~older.pop("suspect")
    older.loc[0, ["valid", "suspicions"]] = [False, "late"]
    older.drop(columns=["upgrades"]).to_csv(stored / "runs.csv", index=False)
    read = store.read_runs(stored / "runs.csv")
    assert set(read.columns) == set(today.columns)
    assert (read.suspect[0], read.suspect_because[0], read.suspect[1], read.suspect_because[1]) == (
        True,
        "late",
        False,
        "",
    )
    assert set(read.upgrades) == {"pass"}  # what a table does not know has its default
    conditions = [Condition(**row) for row in today[[*CONDITION_COLUMNS]].to_dict("records")]
    assert len(set(conditions)) == len(today) / 2
    pd.testing.assert_frame_equal(
        read.drop(columns=["suspect", "suspect_because", "upgrades"]).sort_index(axis=1),
        today.drop(columns=["suspect", "suspect_because", "upgrades"]).sort_index(axis=1),
    )
