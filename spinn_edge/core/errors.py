"""Every error the package raises.

SpinnEdgeError                   exit 1
├── UsageError                   exit 2   bad name, option, column or file
├── MissingDependencyError       exit 3   an optional package cannot be imported
├── PruningError                 exit 4   a target, gate or network that pruning cannot serve
├── ExportError                  exit 4   a format could not be written or was not proved
├── BundleError                  exit 5   manifest, hash, path or schema is wrong
│   └── IncompatibleBundleError           engine built for another GPU or version
├── RuntimeUnavailableError      exit 6   no device, no such file, a provider fall-back
├── InferenceError               exit 7   feed has wrong name, shape or dtype; the runtime failed
├── ParityError                  exit 8   outputs differ beyond tolerance
└── RegressionError              exit 9   slower, larger or less accurate than the stored baseline

Messages say what was given, what was expected, and what to type next.
"""

from __future__ import annotations


class SpinnEdgeError(Exception):
    """Root of the tree; the command line prints its text and leaves with ``exit_code``."""

    exit_code = 1


class UsageError(SpinnEdgeError):
    """The caller named something that does not exist or makes no sense."""

    exit_code = 2


class MissingDependencyError(SpinnEdgeError):
    """An optional package could not be imported."""

    exit_code = 3

    def __init__(self, module: str, extra: str, cause: str) -> None:
        super().__init__(
            f"'{module}' cannot be imported ({cause}).\nInstall it with: {install_command(extra)}"
        )
        self.module = module
        self.extra = extra


class PruningError(SpinnEdgeError):
    """The network cannot be pruned as asked."""

    exit_code = 4


class ExportError(SpinnEdgeError):
    """A format could not be written, or its proof against eager failed."""

    exit_code = 4


class BundleError(SpinnEdgeError):
    """A bundle on disk is damaged, foreign, or would be overwritten."""

    exit_code = 5


class IncompatibleBundleError(BundleError):
    """A file of the bundle was built for another device or another library version."""


class RuntimeUnavailableError(SpinnEdgeError):
    """The runtime cannot serve this bundle on this machine."""

    exit_code = 6


class InferenceError(SpinnEdgeError):
    """A feed does not match the model's inputs, or the runtime failed on it."""

    exit_code = 7


class ParityError(SpinnEdgeError):
    """Outputs differ from the reference beyond tolerance."""

    exit_code = 8


class RegressionError(SpinnEdgeError):
    """A measurement is worse than its stored baseline allows."""

    exit_code = 9


def install_command(extra: str) -> str:
    """Return the shell command that installs ``extra``."""
    return f"pip install 'spinn-edge[{extra}]'"


def first_line(exc: BaseException) -> str:
    """Return the first telling line of a foreign exception's text, cut to fit into a message."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    if not lines:
        return type(exc).__name__
    telling = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return telling if len(telling) <= 240 else f"{telling[:238]} …"
