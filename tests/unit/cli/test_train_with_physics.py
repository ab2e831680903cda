"""``spinn-edge train`` with equations, slopes and torch.compile."""

from pathlib import Path

import pytest
import torch

from spinn_edge.core.bundle import Bundle
from tests.unit.cli.conftest import Cli, Done

LAWS = """
def law(x, y, derivatives):
    return derivatives["wear:b"] - 1.0

def carried(x, y, derivatives):
    return derivatives["wear:b"] - 1.0
carried.derivatives = ("wear:b",)

def failing(x, y, derivatives):
    raise ValueError("no such steel")

number = 3
"""


@pytest.fixture
def laws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's own in the current folder; its name."""
    name = f"laws_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(LAWS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return name


def train(cli: Cli, table: Path, out: Path, *options: str) -> Done:
    return cli(
        *("train", "--data", table, "--targets", "wear,heat", "--group", "tool"),
        *("--hidden", "8", "--epochs", "2", "--out", out, *options),
    )


def test_every_term_is_shown_beside_the_loss(
    cli: Cli, table: Path, tmp_path: Path, laws: str
) -> None:
    done = train(
        *(cli, table, tmp_path / "b", "--residual", f"{laws}:law", "--derivatives", "wear:b"),
        *("--monotone", "wear:b:+", "--monotone", "heat:a:-,heat:c:+"),
        *("--collocation", "64", "--sampling", "sobol", "--physics-weight", "0.1"),
    )

    assert done.code == 0, done.err
    for words in ("epoch 2 of ", "held out", ", data ", ", residual ", ", monotone "):
        assert words in done.err
    assert Bundle.load(tmp_path / "b").manifest.architecture.widths == (4, 8, 2)


def test_function_names_its_own_derivatives(
    cli: Cli, table: Path, tmp_path: Path, laws: str
) -> None:
    done = train(cli, table, tmp_path / "b", "--residual", f"{laws}:carried")

    assert done.code == 0, done.err
    assert ", residual " in done.err


def test_without_physics_the_lines_are_as_they_were(cli: Cli, table: Path, tmp_path: Path) -> None:
    done = train(cli, table, tmp_path / "b")

    assert done.code == 0, done.err
    assert ", data " not in done.err


def test_improvements_below_min_delta_end_training(cli: Cli, table: Path, tmp_path: Path) -> None:
    done = train(
        *(cli, table, tmp_path / "b", "--epochs", "9", "--patience", "1", "--min-delta", "100")
    )

    assert done.code == 0, done.err
    assert "epoch 2 of" in done.err
    assert "epoch 3 of" not in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--monotone", "wear:x:+"), "no input is called 'x'; known: a, b, c, d"),
        (("--monotone", "wear:a"), "'wear:a' is no slope with a sign"),
        (("--monotone", "wear:a:+", "--physics-weight", "nan"), "weight of 'physics' is nan"),
        (("--monotone", "wear:a:+", "--physics-weight", "-1"), "weight of 'physics' is -1.0"),
        (("--monotone", "wear:a:+", "--collocation", "0"), "0 collocation points asked for"),
        (("--monotone", "wear:a:+", "--sampling", "grid"), "unknown sampling 'grid'; known: rows"),
        (("--physics-weight", "2"), "none is named; add --residual module:function"),
        (("--collocation", "9"), "none is named; add --residual module:function"),
        (("--derivatives", "wear:a"), "none is named; add --residual module:function"),
        (
            ("--monotone", "wear:a:+", "--derivatives", "wear:b"),
            "the derivatives wear:b are for an equation",
        ),
        (("--residual", "{laws}:law"), "asks for 'wear:b', but these derivatives were named: none"),
        (("--residual", "{laws}:failing"), "fails (ValueError): no such steel"),
        (("--residual", "{laws}:nothing"), "it could not be imported (AttributeError"),
        (("--residual", "{laws}:number"), "is no function of (x, y, derivatives)"),
        (("--residual", "no_such_module:law"), "it could not be imported (ModuleNotFoundError"),
        (("--min-delta", "-1"), "--min-delta is -1.0; expected a number of at least 0"),
    ],
)
def test_bad_physics_is_refused_and_nothing_is_written(
    cli: Cli, table: Path, tmp_path: Path, laws: str, options: tuple[str, ...], message: str
) -> None:
    given = [option.replace("{laws}", laws) for option in options]
    done = train(cli, table, tmp_path / "b", *given)

    assert done.code == 2, done.err
    assert message in done.err.replace("\n", " ")
    assert "Traceback" not in done.err
    assert not (tmp_path / "b").exists()


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What torch.compile was asked to compile; it gives it back as it is."""
    asked: list[str] = []

    def fake(function, **options):
        asked.append(function.__name__)
        return function

    monkeypatch.setattr(torch, "compile", fake)
    monkeypatch.delenv("SPINN_EDGE_COMPILE", raising=False)
    return asked


@pytest.mark.parametrize(
    ("variable", "options", "on"),
    [
        (None, (), False),
        (None, ("--compile",), True),
        ("1", (), True),
        ("0", (), False),
        ("1", ("--no-compile",), False),
        ("0", ("--compile",), True),
    ],
)
def test_option_goes_before_the_environment_and_the_output_says_that_it_is_on(
    cli: Cli,
    table: Path,
    tmp_path: Path,
    compiled: list[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str | None,
    options: tuple[str, ...],
    on: bool,
) -> None:
    if variable is not None:
        monkeypatch.setenv("SPINN_EDGE_COMPILE", variable)

    done = train(cli, table, tmp_path / "b", *options)

    assert done.code == 0, done.err
    assert len(compiled) == on
    assert ("training steps go through torch.compile" in done.err) == on
    assert ("steps were compiled by torch.compile: " in done.out) == on


def test_what_torch_cannot_compile_stops_with_what_to_type(
    cli: Cli, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*tensors):
        raise RuntimeError("graph break")

    monkeypatch.setattr(torch, "compile", lambda function, **options: refuse)
    done = train(cli, table, tmp_path / "b", "--compile")

    assert done.code == 2
    assert "(RuntimeError: graph break); leave out --compile" in done.err.replace("\n", " ")
    assert not (tmp_path / "b").exists()


def test_no_compiler_is_said_before_training(
    cli: Cli, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = train(cli, table, tmp_path / "b", "--compile")

    assert done.code == 6
    assert "needs a C++ compiler" in done.err
    assert "epoch" not in done.err


def test_variable_that_is_neither_on_nor_off_is_refused(
    cli: Cli, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINN_EDGE_COMPILE", "yes")
    done = train(cli, table, tmp_path / "b")

    assert done.code == 2
    assert "SPINN_EDGE_COMPILE=yes: expected 1 for on or 0 for off" in done.err
