import subprocess
import sys
from pathlib import Path

import pytest
import typer

from spinn_edge import __version__
from spinn_edge.cli import app as module
from spinn_edge.cli.options import INTERRUPTED
from tests.unit.cli.conftest import Cli

COMMANDS = (
    *("demo", "train", "prune", "mask", "adapt", "export"),
    *("verify", "validate", "waterfall", "physics"),
    *("bench", "bench-train", "compare", "report", "explain", "inspect", "runtimes", "schema"),
)


def test_the_list_above_is_that_of_the_program() -> None:
    assert tuple(typer.main.get_command(module.app).commands) == COMMANDS  # type: ignore[attr-defined]


def test_help_lists_every_command_and_every_form_of_model(cli: Cli) -> None:
    done = cli("--help")
    assert done.code == 0
    for word in (*COMMANDS, ".safetensors", "package.module:factory"):
        assert word in done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_explains_its_options(cli: Cli, command: str) -> None:
    done = cli(command, "--help")
    assert done.code == 0
    assert "--help" in done.out


def test_help_imports_neither_torch_nor_onnxruntime() -> None:
    code = (
        "import sys; sys.argv = ['spinn-edge', '--help']\n"
        "from spinn_edge.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'tensorrt', 'tensorrt_rtx', 'numpy'}\n"
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"spinn-edge {__version__}\n"


def test_known_error_is_a_message_and_its_exit_code(cli: Cli) -> None:
    done = cli("verify", "nowhere")
    assert done.code == 2
    assert done.err.startswith("error: there is no 'nowhere'; MODEL is a bundle folder")
    assert "Traceback" not in done.err
    assert done.out == ""


def test_unknown_error_names_the_way_to_its_traceback(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode() -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(module, "app", explode)
    done = cli("runtimes")
    assert done.code == 1
    assert "ZeroDivisionError: planted" in done.err
    assert "spinn-edge --debug runtimes" in done.err


def test_debug_lets_the_error_through(cli: Cli) -> None:
    from spinn_edge.core.errors import UsageError

    with pytest.raises(UsageError, match="nowhere"):
        cli("--debug", "verify", "nowhere")


def test_foreign_file_error_is_a_message(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_disk() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "app", fill_disk)
    done = cli("runtimes")
    assert (done.code, done.err) == (1, "error: [Errno 28] No space left on device\n")


def test_ctrl_c_leaves_with_130(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "app", lambda: sys.exit(INTERRUPTED))
    done = cli("runtimes")
    assert (done.code, done.err) == (130, "stopped by you\n")


def test_ctrl_c_while_a_class_is_being_made_is_ctrl_c(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        wrapped = RuntimeError("Error calling __set_name__")
        wrapped.__cause__ = KeyboardInterrupt()  # as Python 3.11 does
        raise wrapped

    monkeypatch.setattr(module, "app", interrupted)
    done = cli("report", "results.json")
    assert (done.code, done.err) == (130, "stopped by you\n")


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize("name", ["notes.txt", "data/measured.csv"])
def test_demo_never_replaces_files_of_the_users(
    cli: Cli, tmp_path: Path, name: str, force: tuple[str, ...]
) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    done = cli("demo", "--out", tmp_path, "--quick", *force)
    assert done.code == 5
    assert ("no demo wrote" if force else "--force") in done.err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    assert mine.read_text() == "mine"
