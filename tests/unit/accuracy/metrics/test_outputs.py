import json
import math

import numpy as np
import pytest
from sklearn import metrics as reference

from spinn_edge.accuracy.metrics import outputs as output_metrics
from spinn_edge.accuracy.metrics.outputs import finite_json, measure_output
from spinn_edge.core.errors import MissingDependencyError, ParityError

RANDOM = np.random.default_rng(0)
ONE = RANDOM.standard_normal((40, 2)) * [1.0, 1e-3]
OTHER = ONE + RANDOM.standard_normal((40, 2)) * [1e-3, 1e-4]


def test_every_channel_has_its_own_metrics_and_its_name() -> None:
    measured = measure_output(ONE, OTHER, ("wear", "heat"))
    wear, heat = measured.channels
    assert (wear.channel, heat.channel, measured.overall.channel) == ("wear", "heat", "overall")
    for column, channel in enumerate(measured.channels):
        a, b = ONE[:, column], OTHER[:, column]
        assert channel.mean_abs == pytest.approx(reference.mean_absolute_error(a, b), rel=1e-10)
        assert channel.rms == pytest.approx(reference.root_mean_squared_error(a, b), rel=1e-10)
        assert channel.r2 == pytest.approx(reference.r2_score(a, b), rel=1e-10)
        assert channel.max_abs == np.abs(b - a).max()
        assert channel.worst_sample == np.argmax(np.abs(b - a))
        assert channel.over_scale == channel.max_abs / np.abs(a).max()
        assert channel.data_range == np.ptp(a)
        assert channel.relative_floor == pytest.approx(1e-3 * np.abs(a).max())
        assert channel.ssim is None
    assert measured.worst is heat


def test_overall_pools_elements_but_shows_the_worst_channel_by_scale() -> None:
    measured = measure_output(ONE, OTHER)
    wear, heat = measured.channels
    overall = measured.overall
    assert overall.mean_abs == pytest.approx((wear.mean_abs + heat.mean_abs) / 2)
    assert overall.max_abs == wear.max_abs
    assert overall.worst_sample == wear.worst_sample
    assert overall.over_scale == heat.over_scale > wear.over_scale
    assert overall.scale == heat.scale
    assert overall.r2 == pytest.approx((wear.r2 + heat.r2) / 2)  # type: ignore[operator]


def test_constant_channel_has_no_r2_and_neither_has_the_whole() -> None:
    one = np.array([[1.0, 1.0], [2.0, 1.0]])
    measured = measure_output(one, one + 0.1)
    assert measured.channels[0].r2 is not None
    assert measured.channels[1].r2 is None
    assert measured.channels[1].psnr_db is None
    assert measured.overall.r2 is None


def test_equal_outputs_are_json_without_infinity() -> None:
    measured = measure_output(ONE, ONE.copy())
    assert measured.channels[0].psnr_db == math.inf
    document = json.loads(json.dumps(finite_json(measured), allow_nan=False))
    assert document["channels"][0]["psnr_db"] is None
    assert document["overall"]["cosine"] == pytest.approx(1.0)


def test_integers_and_booleans_are_measured_as_numbers() -> None:
    labels = np.array([0, 200, 255], np.uint8)
    measured = measure_output(labels, np.array([1, 200, 250], np.uint8))
    assert measured.overall.max_abs == 5.0  # 250 - 255 in uint8 is 251
    yes = np.array([[True], [False]])
    assert measure_output(yes, ~yes).overall.max_abs == 1.0


def test_images_have_ssim() -> None:
    images = RANDOM.random((3, 2, 16, 16))
    noisy = images.copy()
    noisy[:, 1] += 0.3 * RANDOM.standard_normal((3, 16, 16))
    measured = measure_output(images, noisy)
    first, second = (channel.ssim for channel in measured.channels)
    assert first == 1.0
    assert second is not None
    assert second < 0.9
    assert measured.overall.ssim == pytest.approx((first + second) / 2)
    assert measured.overall.mean_abs == pytest.approx(np.abs(noisy - images).mean(), rel=1e-10)


def test_images_without_scikit_image_have_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*arguments: object) -> None:
        raise MissingDependencyError("skimage", "image", "no such module")

    monkeypatch.setattr(output_metrics, "structural_similarity", absent)
    images = RANDOM.random((3, 2, 16, 16))
    measured = measure_output(images, images + 0.1)
    assert measured.overall.ssim is None
    assert measured.overall.max_abs == pytest.approx(0.1)


def test_values_whose_squares_overflow_are_no_warning() -> None:
    measured = measure_output(np.array([[1e300], [-1e300]]), np.array([[-1e300], [1e300]]))
    assert measured.overall.over_scale == pytest.approx(2.0)
    json.dumps(finite_json(measured), allow_nan=False)


def test_nan_raises_and_names_the_sample() -> None:
    broken = OTHER.copy()
    broken[7, 1] = np.nan
    with pytest.raises(ParityError, match="first in sample 7"):
        measure_output(ONE, broken)
