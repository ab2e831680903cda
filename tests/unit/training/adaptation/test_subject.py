from dataclasses import replace

import numpy as np
import pytest

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.derivatives import Derivative
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import Architecture
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.training.adaptation.subject import subject_of
from tests.fakes.drifting_streams import FEATURES, TARGETS


def altered(bundle, **changes):
    return Bundle(root=bundle.root, manifest=replace(bundle.manifest, **changes))


def test_trained_bundle_knows_columns_units_and_its_usual_error(learned):
    subject = subject_of(learned)
    training = learned.manifest.training
    assert (subject.features, subject.targets) == (FEATURES, TARGETS)
    np.testing.assert_array_equal(subject.unit, training.scaling.target_std)
    rmse = np.array([training.scores.rmse[name] for name in TARGETS])
    assert subject.usual_error == pytest.approx(np.sqrt(((rmse / subject.unit) ** 2).mean()))
    np.testing.assert_array_equal(subject.scale, np.abs(subject.golden_outputs).max(axis=0))


def test_untrained_bundle_counts_errors_in_the_scale_of_its_golden_outputs(factory_made):
    subject = subject_of(factory_made, features=FEATURES, targets=TARGETS, trust_factory=True)
    np.testing.assert_array_equal(subject.unit, subject.scale)
    assert subject.usual_error is None


def test_columns_are_named_once_and_only_where_they_are_not_known(learned, factory_made):
    with pytest.raises(UsageError, match="knows its columns from training"):
        subject_of(learned, features=FEATURES)
    for wrong in ((), ("a", "b"), ("a", "b", "b")):
        with pytest.raises(UsageError, match="name its 3 with --features"):
            subject_of(factory_made, features=wrong, targets=TARGETS, trust_factory=True)
    with pytest.raises(UsageError, match="name its 2 with --targets"):
        subject_of(factory_made, features=FEATURES, trust_factory=True)


def test_a_factory_is_not_called_unless_trusted(factory_made):
    with pytest.raises(UsageError, match="--trust-factory"):
        subject_of(factory_made, features=FEATURES, targets=TARGETS)


def test_an_exported_file_has_no_weights_to_adapt(learned):
    with pytest.raises(UsageError, match="holds no weights to adapt; export the state dict"):
        subject_of(altered(learned, architecture=Architecture(kind="file")))


def test_derivatives_and_several_outputs_are_refused(learned):
    architecture = replace(
        learned.manifest.architecture,
        derivatives=(Derivative(request="a", name="d", output=None, inputs=()),),  # type: ignore[arg-type]
    )
    with pytest.raises(UsageError, match="adapt the bundle without them"):
        subject_of(altered(learned, architecture=architecture))
    spec = learned.manifest.outputs[0]
    with pytest.raises(UsageError, match=r"needs one input \[batch, features\] and one output"):
        subject_of(altered(learned, outputs=(spec, spec)))
    image = TensorSpec("input", (None, 3, 8, 8), np.dtype(np.float32))
    with pytest.raises(UsageError, match="takes float32"):
        subject_of(altered(learned, inputs=(image,)))
