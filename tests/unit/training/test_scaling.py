from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from spinn_edge.core.manifest import Scaling
from spinn_edge.models.modules import MLP
from spinn_edge.training.dataset import Rows
from spinn_edge.training.scaling import fit_scaling, fold, standardise, unfold

FEATURE_SCALES = np.array([1e-3, 1.0, 4e3])
TARGET_SCALES = np.array([0.1, 50.0])


def milling_like_rows(count: int = 200) -> Rows:
    random = np.random.default_rng(0)
    features = random.normal([0, 3, -1], 1, (count, 3)) * FEATURE_SCALES
    targets = random.normal([2, 1], 1, (count, 2)) * TARGET_SCALES
    return Rows(features=features, targets=targets)


def test_scaling_agrees_with_scikit_learn() -> None:
    rows = milling_like_rows()
    scaling = fit_scaling(rows)
    features, targets = StandardScaler().fit(rows.features), StandardScaler().fit(rows.targets)

    np.testing.assert_allclose(scaling.feature_mean, features.mean_)
    np.testing.assert_allclose(scaling.feature_std, features.scale_)
    np.testing.assert_allclose(scaling.target_mean, targets.mean_)
    np.testing.assert_allclose(scaling.target_std, targets.scale_)
    scaled = standardise(rows, scaling)
    np.testing.assert_allclose(scaled.features, features.transform(rows.features), atol=1e-12)
    np.testing.assert_allclose(scaled.targets, targets.transform(rows.targets), atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e9, 1e-9])
def test_constant_column_makes_no_nan(value: float) -> None:
    rows = milling_like_rows(101)
    rows.features[:, 1] = value
    rows.targets[:, 0] = value

    scaling = fit_scaling(rows)
    scaled = standardise(rows, scaling)

    assert scaling.feature_std[1] == 1.0
    assert scaling.target_std[0] == 1.0
    np.testing.assert_allclose(scaled.features[:, 1], 0, atol=1e-6)
    assert np.isfinite(scaled.features).all()
    assert np.isfinite(scaled.targets).all()
    folded = fold(MLP((3, 4, 2), "tanh"), scaling)
    assert all(torch.isfinite(parameter).all() for parameter in folded.parameters())


def test_single_row_makes_no_nan() -> None:
    scaling = fit_scaling(milling_like_rows(1))

    assert scaling.feature_std == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("widths", [(3, 8, 6, 2), (3, 2)])
def test_folded_network_takes_raw_features_and_returns_physical_units(
    widths: tuple[int, ...],
) -> None:
    rows, mlp = milling_like_rows(), MLP(widths, "tanh")
    scaling = fit_scaling(rows)
    scaled = torch.from_numpy(standardise(rows, scaling).features).float()
    with torch.no_grad():
        wanted = mlp(scaled).double().numpy() * scaling.target_std + scaling.target_mean

        got = fold(mlp, scaling)(torch.from_numpy(rows.features).float()).double().numpy()

    assert (np.abs(got - wanted).max(axis=0) < 1e-4 * TARGET_SCALES).all()


@st.composite
def networks_and_scalings(draw: st.DrawFn) -> tuple[MLP, Scaling]:
    widths = draw(st.lists(st.integers(1, 8), min_size=2, max_size=5))
    seed = draw(st.integers(0, 2**31))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        mlp = MLP(widths, draw(st.sampled_from(["tanh", "relu", "sin"]))).eval()
    moderate, positive = st.floats(-5, 5), st.floats(0.01, 100)

    def many(values: st.SearchStrategy[float], count: int) -> tuple[float, ...]:
        return tuple(draw(st.lists(values, min_size=count, max_size=count)))

    scaling = Scaling(
        feature_mean=many(moderate, widths[0]),
        feature_std=many(positive, widths[0]),
        target_mean=many(moderate, widths[-1]),
        target_std=many(positive, widths[-1]),
    )
    return mlp, scaling


@given(networks_and_scalings())
def test_unfold_undoes_fold(drawn: tuple[MLP, Scaling]) -> None:
    mlp, scaling = drawn

    back = unfold(fold(mlp, scaling), scaling)

    x = torch.randn(16, mlp.widths[0], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        # rounding to float32 in between costs up to the ratio of the shifts to the scales
        torch.testing.assert_close(back(x), mlp(x), rtol=1e-3, atol=2e-2)
        torch.testing.assert_close(
            fold(back, scaling)(x), fold(mlp, scaling)(x), rtol=1e-3, atol=2e-2
        )


def test_fold_and_unfold_are_exact_in_moderate_units() -> None:
    mlp, scaling = MLP((3, 8, 2), "tanh").eval(), fit_scaling(milling_like_rows())

    back = unfold(fold(mlp, scaling), scaling)

    for got, wanted in zip(back.parameters(), mlp.parameters(), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("function", [fold, unfold])
def test_given_network_is_not_changed(function: Callable[[MLP, Scaling], MLP]) -> None:
    mlp, scaling = MLP((3, 8, 2), "tanh"), fit_scaling(milling_like_rows())
    before = {name: tensor.clone() for name, tensor in mlp.state_dict().items()}

    made = function(mlp, scaling)

    assert made.widths == mlp.widths
    assert not made.training
    assert {parameter.dtype for parameter in made.parameters()} == {torch.float32}
    for name, tensor in mlp.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
