"""Reading ``.pt2`` files without running what a stranger put into them.

``torch.export.load`` is no safe reader (torch 2.13). It unpickles some parts of an archive
(``torch/export/pt2_archive/_package.py``), loads shared libraries from it, evaluates symbolic sizes
as Python (``_parse_sym_expr`` in ``torch/_export/serde/serialize.py``) and executes ``guards_code``
(``torch/export/_unlift.py``). A plain model needs none of these: this file looks into the archive
first and lets pass only the parts that a plain model is made of.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spinn_edge.core.errors import BundleError, SpinnEdgeError, UsageError, first_line
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import TensorSpec

_TRUST = (
    "can run any code that its author put in, with your rights; "
    "if you trust the author, repeat with --trust-pickle"
)
PICKLE_RISK = f"unpickling {_TRUST}"
_CODE_RISK = f"loading it {_TRUST}"

_DATA = re.compile(  # raw bytes and text that torch never evaluates
    r"data/weights/weight_\d+|data/constants/tensor_\d+|extra/.*|"
    r"archive_format|archive_version|byteorder|version|\.\w+|\.data/\w+"
)
_CONFIG = re.compile(r"data/(weights|constants)/\w+_config\.json")
_SAMPLE = re.compile(r"data/sample_inputs/\w+\.pt")
_PROGRAM = re.compile(r"models/\w+\.json")


def load_pt2(path: Path, *, trust_pickle: bool = False) -> Any:
    """Load an exported program.

    Args:
        path: a file that ``torch.export.save`` wrote.
        trust_pickle: load it even if that can run code of its author's.

    Returns:
        A ``torch.export.ExportedProgram``.

    Raises:
        MissingDependencyError: torch is not installed.
        UsageError: loading can run code and ``trust_pickle`` is False.
        BundleError: the file is corrupt or is no PT2 archive.
    """
    torch = require("torch", extra="export")
    try:
        if not trust_pickle:
            _refuse_code(path, torch)
        return torch.export.load(path)
    except SpinnEdgeError:
        raise
    except Exception as exc:  # torch raises a dozen kinds, RuntimeError to KeyError, on bad files
        raise BundleError(
            f"{path} cannot be loaded as a PT2 program ({type(exc).__name__}: {first_line(exc)}); "
            "it is corrupt, or another torch wrote it: export the model again"
        ) from exc


def program_inputs(program: Any) -> tuple[TensorSpec, ...]:
    """Return the inputs of an exported program; symbolic sizes become dynamic axes."""
    torch = require("torch", extra="export")
    wanted = program.graph_signature.user_inputs
    specs = []
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in wanted:
            example = node.meta["val"]
            shape = tuple(size if isinstance(size, int) else None for size in example.shape)
            dtype = torch.empty(0, dtype=example.dtype).numpy().dtype
            specs.append(TensorSpec(node.name, shape, dtype))
    return tuple(specs)


def _refuse_code(path: Path, torch: Any) -> None:
    reader = torch._C.PyTorchFileReader(str(path))  # the reader that torch.export.load uses
    names = reader.get_all_records()
    if "archive_format" not in names:
        raise BundleError(f"{path} is no PT2 archive of torch 2.9 or later; export it again")
    with zipfile.ZipFile(path) as archive:  # what torch falls back to for older files
        others = [name.partition("/")[2] for name in archive.namelist()]
    # torch finds a record by a search that ignores case: with two of a name, the one that was
    # looked at may not be the one that is loaded
    if sorted(names) != sorted(others) or len({name.lower() for name in names}) < len(names):
        raise BundleError(f"{path} is damaged: its list of files is ambiguous; export it again")
    for name in names:
        where = f"{path}: {name}"
        if _DATA.fullmatch(name):
            continue
        if _SAMPLE.fullmatch(name):
            _refuse_unsafe_load(reader.get_record(name), where, torch)
        elif _CONFIG.fullmatch(name):
            _refuse_pickled_tensors(reader.get_record(name), where)
        elif _PROGRAM.fullmatch(name):
            _refuse_python(reader.get_record(name), where)
        else:
            raise UsageError(f"{where} is no part of a plain model; {_CODE_RISK}")


def _refuse_unsafe_load(content: bytes, where: str, torch: Any) -> None:
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception as exc:  # whatever the reason, torch's own loader would now unpickle freely
        raise UsageError(f"{where} needs unpickling ({first_line(exc)}); {PICKLE_RISK}") from exc


def _refuse_pickled_tensors(content: bytes, where: str) -> None:
    for entry in json.loads(content)["config"].values():
        if entry["use_pickle"] or not re.fullmatch(r"(weight|tensor)_\d+", entry["path_name"]):
            raise UsageError(f"{where} lists pickled objects; {PICKLE_RISK}")


def _refuse_python(content: bytes, where: str) -> None:
    program = json.loads(content)
    if program.get("guards_code"):
        raise UsageError(f"{where} holds Python code (guards_code); {_CODE_RISK}")
    for size in _symbolic_sizes(program):
        if not _is_formula(size):
            raise UsageError(f"{where} holds Python code as a size ({size!r:.60}); {_CODE_RISK}")


def _symbolic_sizes(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        if "expr_str" in node:
            yield node["expr_str"]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _symbolic_sizes(item)


def _is_formula(text: Any) -> bool:
    """Tell arithmetic on symbols, ``Mul(Integer(2), Symbol('s0', integer=True))``, from Python.

    Sympy's functions of sizes are classes, whose names are capital; the Python built-ins that do
    harm are not, and without attributes and free text nothing else can be reached.
    """
    allowed = (
        *(ast.Expression, ast.Call, ast.keyword, ast.Name, ast.Constant, ast.expr_context),
        *(ast.BinOp, ast.UnaryOp, ast.Compare, ast.operator, ast.unaryop, ast.cmpop),
    )
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, TypeError, ValueError):
        return False
    for node in nodes:
        if not isinstance(node, allowed):
            return False
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Name) and node.func.id[:1].isupper()
        ):
            return False
        if isinstance(node, ast.Constant) and not re.fullmatch(r"[\w.+-]+", str(node.value)):
            return False
    return True
