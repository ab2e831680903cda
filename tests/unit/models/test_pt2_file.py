import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import BundleError, MissingDependencyError, UsageError
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.models import pt2_file
from spinn_edge.models.pt2_file import load_pt2, program_inputs

PROGRAM = "models/model.json"
SAMPLES = "data/sample_inputs/model.pt"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"


class Touch:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def evil_tensor_file(mark: Path) -> bytes:
    stream = io.BytesIO()
    torch.save(Touch(mark), stream)
    return stream.getvalue()


@pytest.fixture
def good(tiny_bundle: Bundle) -> Path:
    (entry,) = tiny_bundle.manifest.files_of("pt2")
    return tiny_bundle.path_of(entry)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """Return the folder that appears when foreign code runs."""
    return tmp_path / "code_was_run"


Rewrite = Callable[..., Path]


@pytest.fixture
def rewrite(good: Path, tmp_path: Path) -> Rewrite:
    """Copy the good archive with some of its files changed, dropped (None) or added."""

    def make(changes: dict[str, bytes | None], *, add: tuple[tuple[str, bytes], ...] = ()) -> Path:
        path = tmp_path / "tampered.pt2"
        with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
            root = source.namelist()[0].partition("/")[0]
            for name in source.namelist():
                content = changes.get(name.partition("/")[2], source.read(name))
                if content is not None:
                    target.writestr(name, content)
            for name, content in add:
                target.writestr(f"{root}/{name}", content)
        return path

    return make


def read_json(path: Path, name: str) -> Any:
    with zipfile.ZipFile(path) as archive:
        (full,) = [n for n in archive.namelist() if n.endswith(name)]
        return json.loads(archive.read(full))


def with_size(good: Path, expression: str) -> bytes:
    """Return the program with every symbolic size replaced."""
    text = json.dumps(read_json(good, PROGRAM))
    old = json.dumps("Symbol(")[1:-1]
    assert old in text
    start = text.index(old)
    symbol = text[start : text.index('"', start)]
    return text.replace(f'"{symbol}"', json.dumps(expression)).encode()


def assert_refused(path: Path, mark: Path, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_pt2(path)
    assert "can run any code that its author put in" in str(caught.value)
    assert "--trust-pickle" in str(caught.value)
    assert str(path) in str(caught.value)
    assert not mark.exists()


def test_plain_model_loads_and_says_its_inputs(good: Path) -> None:
    program = load_pt2(good)

    assert program_inputs(program) == (TensorSpec("input", (None, 18), np.dtype("float32")),)
    assert program.module()(torch.zeros(3, 18)).shape == (3, 2)


def test_copied_archive_loads_so_that_the_tampered_ones_fail_for_their_tampering(
    rewrite: Rewrite,
) -> None:
    load_pt2(rewrite({}))


def test_formulas_of_several_symbols_and_constants_load(tmp_path: Path) -> None:
    class Joined(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = torch.arange(4.0)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return torch.cat([x, x, y + self.shift]).flatten()

    batch, path = torch.export.Dim("batch"), tmp_path / "joined.pt2"
    torch.export.save(
        torch.export.export(
            Joined(), (torch.zeros(2, 4), torch.zeros(5, 4)), dynamic_shapes=({0: batch}, None)
        ),
        path,
    )

    program = load_pt2(path)

    assert [spec.shape for spec in program_inputs(program)] == [(None, 4), (5, 4)]
    assert program.module()(torch.zeros(3, 4), torch.zeros(5, 4)).shape == (44,)


# Archives that would run code


def test_pickled_sample_inputs_are_refused(rewrite: Rewrite, mark: Path) -> None:
    assert_refused(
        rewrite({SAMPLES: evil_tensor_file(mark)}), mark, r"sample_inputs/model\.pt needs unpick"
    )


def test_trusted_archive_is_unpickled(rewrite: Rewrite, mark: Path) -> None:
    path = rewrite({SAMPLES: evil_tensor_file(mark)})

    with pytest.raises(BundleError):  # a folder is no sample input, but the code was run
        load_pt2(path, trust_pickle=True)

    assert mark.exists()


@pytest.mark.parametrize("change", [{"use_pickle": True}, {"path_name": "weight_0/../evil"}])
def test_weights_config_that_asks_for_unpickling_is_refused(
    good: Path, rewrite: Rewrite, mark: Path, change: dict[str, Any]
) -> None:
    config = read_json(good, WEIGHTS)
    next(iter(config["config"].values())).update(change)

    path = rewrite(
        {WEIGHTS: json.dumps(config).encode(), "data/weights/weight_0": evil_tensor_file(mark)}
    )

    assert_refused(path, mark, r"model_weights_config\.json lists pickled objects")


@pytest.mark.parametrize("name", ["custom_obj_0", "opaque_obj_0"])
def test_constants_config_that_names_an_object_is_refused(
    good: Path, rewrite: Rewrite, mark: Path, name: str
) -> None:
    tensor = next(iter(read_json(good, WEIGHTS)["config"].values()))
    config = {"config": {"x": tensor | {"path_name": name, "use_pickle": False}}}

    path = rewrite(
        {CONSTANTS: json.dumps(config).encode()},
        add=((f"data/constants/{name}", pickle.dumps(Touch(mark))),),
    )

    assert_refused(path, mark, r"constants")


@pytest.mark.parametrize(
    "name",
    [
        "data/weights/model.pt",  # the form of torch 2.8, which torch still unpickles
        "data/constants/model.pt",
        "data/constants/custom_obj_0",
        "data/aotinductor/model/model.so",  # a shared library
        "data/Sample_inputs/other.pt",
        "anything/else",
    ],
)
def test_file_that_a_plain_model_lacks_is_refused(rewrite: Rewrite, mark: Path, name: str) -> None:
    assert_refused(rewrite({}, add=((name, evil_tensor_file(mark)),)), mark, "no part of a plain")


def test_other_spelling_of_a_checked_name_is_refused(rewrite: Rewrite, mark: Path) -> None:
    # torch's reader ignores case
    add = (("data/Sample_Inputs/model.pt", evil_tensor_file(mark)),)

    assert_refused(rewrite({SAMPLES: None}, add=add), mark, "no part of a plain model")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("evil_first", [True, False])
def test_second_file_of_one_name_is_refused(
    good: Path, rewrite: Rewrite, mark: Path, evil_first: bool
) -> None:
    with zipfile.ZipFile(good) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(SAMPLES)]
        harmless = archive.read(name)
    evil = evil_tensor_file(mark)
    first, second = (evil, harmless) if evil_first else (harmless, evil)

    with pytest.raises(BundleError, match="list of files is ambiguous; export it again"):
        load_pt2(rewrite({SAMPLES: first}, add=((SAMPLES, second),)))
    assert not mark.exists()


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').mkdir('MARK')",
        "Max(1, __import__('os').mkdir('MARK'))",
        "Symbol('s0').__class__",
        "eval('1')",
        "Integer(eval('1'))",
        "(lambda: 1)()",
        "[i for i in (1, 2)]",
        "Add('a b', 1)",
        "f'{1}'",
        "1; 2",
        "",
    ],
)
def test_size_that_is_python_code_is_refused(
    good: Path, rewrite: Rewrite, mark: Path, expression: str
) -> None:
    path = rewrite({PROGRAM: with_size(good, expression.replace("MARK", str(mark)))})

    assert_refused(path, mark, "holds Python code as a size")


def test_guards_code_is_refused(good: Path, rewrite: Rewrite, mark: Path) -> None:
    program = read_json(good, PROGRAM) | {"guards_code": [f"__import__('os').mkdir('{mark}')"]}

    assert_refused(rewrite({PROGRAM: json.dumps(program).encode()}), mark, "guards_code")


def test_operator_from_outside_torch_is_refused_by_torch(
    good: Path, rewrite: Rewrite, mark: Path
) -> None:
    program = read_json(good, PROGRAM)
    node = program["graph_module"]["graph"]["nodes"][1]
    node["target"] = "torch.os.mkdir"
    node["inputs"] = [{"name": "path", "arg": {"as_string": str(mark)}, "kind": 1}]

    with pytest.raises(BundleError, match="not an allowed operator"):
        load_pt2(rewrite({PROGRAM: json.dumps(program).encode()}))
    assert not mark.exists()


# Archives that are damaged


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_file_is_one_clear_error(good: Path, tmp_path: Path, share: float) -> None:
    content = good.read_bytes()
    path = tmp_path / "cut.pt2"
    path.write_bytes(content[: int(share * len(content))])

    with pytest.raises(BundleError, match=r"cannot be loaded as a PT2 program .*export the model"):
        load_pt2(path)


def test_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.pt2"
    torch.save({"a": torch.zeros(1)}, path)

    with pytest.raises(BundleError, match=r"no PT2 archive of torch 2\.9 or later"):
        load_pt2(path)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}"])
@pytest.mark.parametrize("name", [WEIGHTS, PROGRAM])
def test_damaged_json_inside_is_one_clear_error(
    rewrite: Rewrite, name: str, content: bytes
) -> None:
    with pytest.raises(BundleError, match="it is corrupt, or another torch wrote it"):
        load_pt2(rewrite({name: content}))


def test_missing_torch_is_reported_with_its_extra(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(module: str, *, extra: str) -> Any:
        raise MissingDependencyError(module, extra, "not there")

    monkeypatch.setattr(pt2_file, "require", absent)

    with pytest.raises(MissingDependencyError, match=r"spinn-edge\[export\]"):
        load_pt2(good)


def test_file_is_not_changed_by_reading(good: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(good, tmp_path))
    before = path.read_bytes()

    load_pt2(path)

    assert path.read_bytes() == before
