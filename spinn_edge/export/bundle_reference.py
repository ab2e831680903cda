"""The evaluators of a loaded model, whatever form it was given in."""

from __future__ import annotations

from spinn_edge.accuracy.search.worst_input import SearchPlan, SearchRequest, cost_of
from spinn_edge.core.manifest import Manifest
from spinn_edge.export.derivatives import derivative_reference, named_as_before
from spinn_edge.export.reference import Reference, module_reference, onnx_reference
from spinn_edge.models.loading import LoadedModel


def reference_of(loaded: LoadedModel) -> Reference:
    """Return the float64 and float32 evaluators of a model.

    Raises:
        BundleError: an ONNX file is corrupt.
        MissingDependencyError: torch, or onnx for a model that came as ONNX, is not installed.
    """
    if loaded.architecture.derivatives and not loaded.format:
        return derivative_reference(loaded.module)
    if loaded.module is not None:
        reference = module_reference(loaded.module)
        if loaded.bundle and loaded.architecture.derivatives:
            return named_as_before(reference, loaded.bundle.manifest)
        return reference
    assert loaded.file is not None
    return onnx_reference(loaded.file)


def search_request(
    loaded: LoadedModel, manifest: Manifest, plan: SearchPlan | None = None
) -> SearchRequest:
    """Return what :func:`spinn_edge.accuracy.verification.verify_bundle` needs for a search.

    Args:
        loaded: the model.
        manifest: of its bundle; a large model gets fewer samples.
        plan: how far to look; None for the usual.

    Raises:
        BundleError, MissingDependencyError: as :func:`reference_of`.
    """
    reference = reference_of(loaded)
    chosen = (plan or SearchPlan()).for_model(cost_of(manifest))
    return SearchRequest(exact=reference.exact, eager=reference.eager, plan=chosen)
