import pytest

from spinn_edge.core import errors
from spinn_edge.core.errors import (
    BundleError,
    ExportError,
    IncompatibleBundleError,
    InferenceError,
    MissingDependencyError,
    ParityError,
    PruningError,
    RegressionError,
    RuntimeUnavailableError,
    SpinnEdgeError,
    UsageError,
    first_line,
    install_command,
)

EXIT_CODES = {
    SpinnEdgeError: 1,
    UsageError: 2,
    MissingDependencyError: 3,
    PruningError: 4,
    ExportError: 4,
    BundleError: 5,
    IncompatibleBundleError: 5,
    RuntimeUnavailableError: 6,
    InferenceError: 7,
    ParityError: 8,
    RegressionError: 9,
}


@pytest.mark.parametrize(("error", "code"), EXIT_CODES.items())
def test_error_class_leaves_with_its_documented_exit_code(
    error: type[SpinnEdgeError], code: int
) -> None:
    assert error.exit_code == code
    assert issubclass(error, SpinnEdgeError)


def test_every_error_of_the_tree_is_drawn_in_the_docstring() -> None:
    defined = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, SpinnEdgeError)
    }

    assert defined == set(EXIT_CODES)
    assert errors.__doc__ is not None
    for error in defined:
        assert error.__name__ in errors.__doc__


def test_missing_dependency_names_module_cause_and_install_command() -> None:
    error = MissingDependencyError("onnxruntime", "ort", "ImportError: no such module")

    assert "'onnxruntime'" in str(error)
    assert "no such module" in str(error)
    assert "pip install 'spinn-edge[ort]'" in str(error)
    assert (error.module, error.extra) == ("onnxruntime", "ort")


def test_install_command_quotes_the_extra_for_the_shell() -> None:
    assert install_command("trt-rtx") == "pip install 'spinn-edge[trt-rtx]'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n\n  first \nsecond", "first"),
        ("Error(s) in loading state_dict:\n  size mismatch\n more", None),
        ("", "ValueError"),
        (" \n ", "ValueError"),
    ],
)
def test_first_line_is_the_first_telling_one(text: str, expected: str | None) -> None:
    expected = expected or "Error(s) in loading state_dict: size mismatch"

    assert first_line(ValueError(text)) == expected


def test_first_line_is_cut_to_fit_a_message() -> None:
    assert len(first_line(ValueError("x" * 1000))) == 240
