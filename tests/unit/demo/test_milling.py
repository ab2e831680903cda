import csv
from itertools import pairwise

import numpy as np
import pytest

from spinn_edge.core.errors import UsageError
from spinn_edge.demo.milling import (
    FEATURES,
    GROUP,
    TARGETS,
    MillingTable,
    simulate,
    split_by_tool,
    write_csv,
)


@pytest.fixture(scope="module")
def table() -> MillingTable:
    return simulate()


@pytest.fixture(scope="module")
def small() -> MillingTable:
    return simulate(tools=2, rows_per_tool=10)


def linear_r2(train: MillingTable, held_out: MillingTable) -> np.ndarray:
    def design(table: MillingTable) -> np.ndarray:
        return np.column_stack([np.ones(len(table)), table.matrix(FEATURES)])

    weights = np.linalg.lstsq(design(train), train.matrix(TARGETS), rcond=None)[0]
    truth = held_out.matrix(TARGETS)
    residual = truth - design(held_out) @ weights
    return 1.0 - (residual**2).sum(axis=0) / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)


def test_same_seed_gives_the_same_bits(small) -> None:
    again = simulate(tools=2, rows_per_tool=10)
    for name, column in small.columns.items():
        assert column.tobytes() == again.columns[name].tobytes()


def test_another_seed_gives_other_tools(small) -> None:
    other = simulate(tools=2, rows_per_tool=10, seed=1)
    assert not np.array_equal(small.columns["tool_wear"], other.columns["tool_wear"])


def test_columns_are_group_features_targets(table) -> None:
    assert len(set(FEATURES)) == 18
    assert tuple(table.columns) == (GROUP, *FEATURES, *TARGETS)
    assert len(table) == 60 * 140
    for column in table.columns.values():
        assert column.shape == (len(table),)
        assert column.dtype == np.float64


def test_values_are_finite_and_in_a_physical_range(table) -> None:
    assert np.isfinite(table.matrix(tuple(table.columns))).all()
    wear_mm, displacement_um = table.matrix(TARGETS).T
    assert 0.0 < wear_mm.min() < 0.05 < 0.3 < wear_mm.max() < 0.6
    assert 0.0 < displacement_um.min() < 20.0 < 40.0 < displacement_um.max() < 80.0


def test_features_are_independent_and_well_conditioned(table) -> None:
    features = table.matrix(FEATURES)
    mean, std = features.mean(axis=0), features.std(axis=0)
    # A standardiser folded into a float32 layer subtracts mean / std from itself.
    assert (np.abs(mean) / std < 30.0).all()
    standard = (features - mean) / std
    assert np.linalg.matrix_rank(standard) == 18
    correlation = np.abs(np.corrcoef(standard.T) - np.eye(18))
    assert correlation.max() < 0.99


@pytest.mark.parametrize(("tools", "seed"), [(60, 0), (60, 1), (24, 0)])
def test_a_linear_model_is_not_enough(tools, seed) -> None:
    train, held_out = split_by_tool(simulate(tools=tools, seed=seed), seed=seed)
    wear_r2, displacement_r2 = linear_r2(train, held_out)
    assert 0.5 < wear_r2 < 0.9
    assert 0.5 < displacement_r2 < 0.9


def test_wear_never_heals_and_time_never_stops(table) -> None:
    for tool in np.unique(table.columns[GROUP]):
        rows = table.columns[GROUP] == tool
        assert (np.diff(table.columns["tool_wear"][rows]) > 0.0).all()
        assert (np.diff(table.columns["cutting_time_min"][rows]) > 0.0).all()


def test_spindle_warms_up_from_the_room(table) -> None:
    excess_k = (
        table.columns["spindle_housing_temperature_c"] - table.columns["ambient_temperature_c"]
    )
    mean_k = excess_k.reshape(60, 140).mean(axis=0)
    assert mean_k[0] < 0.6 * mean_k[20:].mean()


@pytest.mark.parametrize(("tools", "rows"), [(1, 2), (2, 5), (2, 300)])
def test_any_size_is_stable(tools, rows) -> None:
    table = simulate(tools=tools, rows_per_tool=rows)
    assert len(table) == tools * rows
    assert (np.abs(table.matrix(TARGETS)) < 100.0).all()


@pytest.mark.parametrize("argument", [{"tools": 0}, {"rows_per_tool": 1}, {"seed": -1}])
def test_argument_below_its_least_value_is_refused(argument) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(argument))} is .* at least"):
        simulate(**argument)


def test_split_shares_no_tool_and_loses_no_row(table) -> None:
    train, held_out = split_by_tool(table, held_out_fraction=0.25, seed=3)
    train_tools, held_out_tools = set(train.columns[GROUP]), set(held_out.columns[GROUP])
    assert not train_tools & held_out_tools
    assert len(held_out_tools) == 15
    assert len(train) + len(held_out) == len(table)


def test_split_is_seeded(table) -> None:
    held_out = [set(split_by_tool(table, seed=seed)[1].columns[GROUP]) for seed in (0, 0, 1)]
    assert [a == b for a, b in pairwise(held_out)] == [True, False]


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_split_leaves_a_tool_on_each_side(small, fraction) -> None:
    parts = split_by_tool(small, held_out_fraction=fraction)
    assert [len(part) for part in parts] == [10, 10]


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_split_refuses_a_fraction_outside_0_to_1(table, fraction) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        split_by_tool(table, held_out_fraction=fraction)


def test_split_refuses_a_single_tool() -> None:
    with pytest.raises(UsageError, match="at least 2"):
        split_by_tool(simulate(tools=1, rows_per_tool=2))


def test_split_refuses_a_negative_seed(table) -> None:
    with pytest.raises(UsageError, match="seed is -1"):
        split_by_tool(table, seed=-1)


def test_csv_reads_back_bit_for_bit(small, tmp_path) -> None:
    path = tmp_path / "milling.csv"
    write_csv(small, path)
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == [GROUP, *FEATURES, *TARGETS]
    assert [row[0] for row in rows] == ["0"] * 10 + ["1"] * 10
    np.testing.assert_array_equal(np.array(rows, dtype=np.float64), small.matrix(header))


def test_csv_in_a_missing_folder_is_refused(small, tmp_path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        write_csv(small, tmp_path / "missing" / "milling.csv")


def test_unknown_column_lists_the_known(small) -> None:
    with pytest.raises(UsageError, match=r"no column 'nope'; the columns are: tool_id, "):
        small.matrix(["nope"])
