from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.core.table import Table, read_table
from spinn_edge.training.dataset import (
    load_rows,
    load_split,
    make_recipe,
    with_validation,
)
from tests.conftest import WriteCsv

RECIPE = DataRecipe(features=("force", "speed"), targets=("wear",), group="tool")


def tools_csv(tools: int = 10, rows_each: int = 5) -> list[str]:
    """Return lines in which each row is unique and tells its tool by its hundreds."""
    rows = [
        f"t{tool},{100 * tool + row},{row},{tool / 10}"
        for tool in range(tools)
        for row in range(rows_each)
    ]
    return ["tool,force,speed,wear", *rows]


def recipe_of(path: Path, **options: Any) -> DataRecipe:
    return make_recipe(read_table(path), **({"targets": ["wear"]} | options))


# The recipe


def test_every_other_column_is_a_feature(write_csv: WriteCsv) -> None:
    recipe = recipe_of(write_csv(tools_csv()), group="tool", ignore=["speed"])

    assert (recipe.features, recipe.targets, recipe.group) == (("force",), ("wear",), "tool")


def test_named_features_keep_their_order(write_csv: WriteCsv) -> None:
    recipe = recipe_of(write_csv(tools_csv()), features=["speed", "force"])

    assert recipe.features == ("speed", "force")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": []}, "name the columns to predict with --targets; its columns are: tool"),
        ({"targets": ["ware"]}, "has no column 'ware'; its columns are: tool, force, speed, wear"),
        ({"features": ["farce"]}, "has no column 'farce'"),
        ({"ignore": ["nothing"]}, "has no column 'nothing'"),
        ({"group": "mill"}, "has no column 'mill'"),
        ({"features": ["wear", "force"]}, "column 'wear' cannot be both feature and target"),
        ({"ignore": ["tool", "force", "speed"]}, "has no column left to learn from"),
        ({"held_out_fraction": 0.0}, "must lie in (0, 1), got 0.0"),
        ({"held_out_fraction": 1.0}, "must lie in (0, 1), got 1.0"),
        ({"held_out_fraction": float("nan")}, "must lie in (0, 1), got nan"),
        ({"validation": Path("absent.csv")}, "name it with --validation FILE"),
    ],
)
def test_recipe_that_does_not_fit_the_table_is_refused(
    write_csv: WriteCsv, options: dict[str, Any], message: str
) -> None:
    path = write_csv(tools_csv())

    with pytest.raises(UsageError) as caught:
        recipe_of(path, **options)
    assert message in str(caught.value)


# Rows


def test_rows_are_read_in_the_order_of_the_recipe(write_csv: WriteCsv) -> None:
    rows = load_rows(write_csv(["wear,speed,force", "1,2,3", "4,5,6"]), replace(RECIPE, group=""))

    np.testing.assert_array_equal(rows.features, [[3, 2], [6, 5]])
    np.testing.assert_array_equal(rows.targets, [[1], [4]])
    assert len(rows) == 2


def test_missing_column_is_named(write_csv: WriteCsv) -> None:
    with pytest.raises(UsageError, match="has no column 'force'; its columns are: wear, speed"):
        load_rows(write_csv(["wear,speed", "1,2"]), RECIPE)


def test_missing_group_column_is_named(write_csv: WriteCsv) -> None:
    with pytest.raises(UsageError, match="has no column 'tool'"):
        load_split(write_csv(["wear,speed,force", "1,2,3", "1,2,3"]), RECIPE)


def test_text_in_a_feature_is_named_with_its_row(write_csv: WriteCsv) -> None:
    lines = tools_csv()
    lines[3] = "t0,broken,2,0.1"

    with pytest.raises(UsageError, match="column 'force' holds text, 'broken' in data row 3"):
        load_split(write_csv(lines), RECIPE)


def test_column_of_text_may_be_ignored_only_where_columns_are_chosen(write_csv: WriteCsv) -> None:
    lines = tools_csv()
    lines[4] = "t0,3,worn,0.1"
    path = write_csv(lines)

    with pytest.raises(UsageError, match=r"correct it, or leave the column out with --ignore$"):
        load_split(path, RECIPE)
    with pytest.raises(UsageError, match=r"expected a number; correct it$"):
        load_rows(path, RECIPE)


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "inf", "-inf"])
def test_rows_with_missing_values_are_counted_and_refused(write_csv: WriteCsv, cell: str) -> None:
    lines = tools_csv()
    lines[4] = f"t0,3,{cell},0.1"
    lines[7] = f"t1,{cell},1,{cell}"

    with pytest.raises(UsageError) as caught:
        load_split(write_csv(lines), RECIPE)

    assert "2 of 50 rows hold missing or infinite values" in str(caught.value)
    assert "first: column 'speed' in data row 4" in str(caught.value)
    assert "--drop-na" in str(caught.value)


def test_rows_with_missing_values_are_dropped_on_request_and_counted(write_csv: WriteCsv) -> None:
    lines = tools_csv()
    lines[4] = "t0,3,,0.1"

    split = load_split(write_csv(lines), replace(RECIPE, drop_na=True))

    assert split.dropped == 1
    assert len(split.train) + len(split.held_out) == 49
    assert 3.0 not in np.concatenate([split.train.features, split.held_out.features])[:, 0]
    assert tools_of(split.train.features).isdisjoint(tools_of(split.held_out.features))


def test_file_of_missing_values_alone_is_refused(write_csv: WriteCsv) -> None:
    path = write_csv(["tool,force,speed,wear", "t,,1,1", "t,1,,1"])

    with pytest.raises(UsageError, match="every row holds missing values; nothing is left"):
        load_split(path, replace(RECIPE, drop_na=True))


# The split


def tools_of(features: np.ndarray) -> set[int]:
    return set((features[:, 0] // 100).astype(int).tolist())


@given(
    tools=st.integers(2, 12),
    rows_each=st.integers(1, 4),
    fraction=st.floats(0.01, 0.49),
    seed=st.integers(0, 1000),
)
def test_group_is_never_on_both_sides(
    tmp_path_factory: pytest.TempPathFactory,
    tools: int,
    rows_each: int,
    fraction: float,
    seed: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "groups.csv"
    path.write_text("\n".join(tools_csv(tools, rows_each)))
    recipe = replace(RECIPE, held_out_fraction=fraction, split_seed=seed)

    split = load_split(path, recipe)

    train, held_out = tools_of(split.train.features), tools_of(split.held_out.features)
    assert train | held_out == set(range(tools))
    assert not train & held_out
    assert len(held_out) == int(np.ceil(fraction * tools))
    assert len(split.train) + len(split.held_out) == tools * rows_each


def test_split_by_row_keeps_every_row_once(write_csv: WriteCsv) -> None:
    split = load_split(write_csv(tools_csv()), replace(RECIPE, group=""))

    every = np.concatenate([split.train.features, split.held_out.features])[:, 0]
    assert len(split.held_out) == 10
    assert len(np.unique(every)) == 50
    assert split.held_out_from == "10 rows of data.csv: 10 of 50 rows"


def test_split_is_the_same_for_the_same_seed_only(write_csv: WriteCsv) -> None:
    path = write_csv(tools_csv())

    first, again = load_split(path, RECIPE), load_split(path, RECIPE)
    others = [load_split(path, replace(RECIPE, split_seed=seed)) for seed in range(1, 5)]

    np.testing.assert_array_equal(first.held_out.features, again.held_out.features)
    held = tools_of(first.held_out.features)
    assert any(tools_of(other.held_out.features) != held for other in others)
    assert first.held_out_from == "10 rows of data.csv: 2 of 10 values of 'tool'"


@pytest.mark.parametrize(("tools", "fraction"), [(1, 0.2), (2, 0.6), (3, 0.9)])
def test_too_few_groups_are_refused(write_csv: WriteCsv, tools: int, fraction: float) -> None:
    path = write_csv(tools_csv(tools))

    with pytest.raises(UsageError, match=f"has {tools} values of 'tool', too few to hold some out"):
        load_split(path, replace(RECIPE, held_out_fraction=fraction))


# A validation file


def test_validation_file_is_held_out_whole(write_csv: WriteCsv) -> None:
    train = write_csv(tools_csv(1))
    validation = write_csv(["wear,speed,force", "7,8,9"], "validation.csv")
    recipe = recipe_of(train, group="tool", validation=validation)

    split = load_split(train, recipe)

    assert len(split.train) == 5
    np.testing.assert_array_equal(split.held_out.features, [[9, 8]])
    assert split.held_out_from == f"1 rows of {validation}"


def test_dropped_rows_of_both_files_are_counted(write_csv: WriteCsv) -> None:
    train = write_csv([*tools_csv(1), "t0,,1,1"])
    validation = write_csv(["wear,speed,force", "7,8,9", "7,,9"], "validation.csv")

    split = load_split(train, recipe_of(train, group="tool", validation=validation, drop_na=True))

    assert split.dropped == 2


def test_recorded_validation_file_is_replayed_while_it_is_unchanged(write_csv: WriteCsv) -> None:
    train = write_csv(tools_csv())
    recipe = recipe_of(train, group="tool", validation=train)

    assert with_validation(recipe, None) is recipe


def test_recipe_without_validation_file_needs_none() -> None:
    assert with_validation(RECIPE, None) is RECIPE


def test_changed_validation_file_is_refused(write_csv: WriteCsv) -> None:
    train = write_csv(tools_csv())
    validation = write_csv(tools_csv(2), "validation.csv")
    recipe = recipe_of(train, group="tool", validation=validation)
    write_csv(tools_csv(3), "validation.csv")

    with pytest.raises(UsageError, match=r"has changed since training; .*--validation FILE"):
        with_validation(recipe, None)


def test_missing_validation_file_is_refused(write_csv: WriteCsv) -> None:
    train = write_csv(tools_csv())
    validation = write_csv(tools_csv(2), "validation.csv")
    recipe = recipe_of(train, group="tool", validation=validation)
    validation.unlink()

    with pytest.raises(UsageError, match=r"validation\.csv cannot be read .*--validation FILE"):
        with_validation(recipe, None)


def test_another_validation_file_replaces_the_recorded_one(write_csv: WriteCsv) -> None:
    train = write_csv(tools_csv())
    first = write_csv(tools_csv(2), "first.csv")
    second = write_csv(tools_csv(3), "second.csv")
    recipe = recipe_of(train, group="tool", validation=first)

    changed = with_validation(recipe, second)

    assert changed == recipe_of(train, group="tool", validation=second)


def test_table_with_an_unnamed_index_column_does_not_learn_from_it() -> None:
    table = Table(path=Path("t.csv"), columns={"": ["0"], "force": ["1"], "wear": ["2"]})

    assert make_recipe(table, targets=["wear"]).features == ("force",)
