import shutil
import subprocess

import pytest

from spinn_edge.report.latex_text import cell, escape
from spinn_edge.report.tables.latex import latex_tables
from tests.unit.report.sources import HOSTILE, hostile, sources


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("100% & $5 #1 _x_ {y}", r"100\% \& \$5 \#1 \_x\_ \{y\}"),
        ("~^\\", r"\textasciitilde{}\textasciicircum{}\textbackslash{}"),
        ("<a>|", r"\textless{}a\textgreater{}\textbar{}"),
        ("[4pt]*", "{[}4pt{]}{*}"),
        ("a--b", "a-{}-b"),
        ("4.06× ± 3 µs, R² –", r"4.06$\times$ $\pm$ 3 $\mu$s, R$^2$ --"),
        ("\u202e\u05d0", r"{[}U+202E{]}{[}U+05D0{]}"),
        ("\x1b\ud800", r"{[}U+001B{]}{[}U+D800{]}"),
        ("Größe", "Größe"),
    ],
)
def test_special_characters_are_printed_and_unknown_ones_named(text, printed):
    assert escape(text) == printed


def test_sign_before_a_number_is_a_minus_and_a_hyphen_stays_one():
    assert cell("-68.5 %") == r"$-$68.5 \%"
    assert cell("3.25e-07") == "3.25e-07"
    assert cell("18-285-2") == "18-285-2"
    assert cell("-x ort-cpu") == "-x ort-cpu"


def test_lines_become_one():
    assert cell("a\n\nb\r\tc") == "a b c"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_pdflatex_sets_hostile_names_without_an_error(tmp_path):
    (tmp_path / "t.tex").write_text(latex_tables(sources(*map(hostile, HOSTILE))), encoding="utf-8")
    (tmp_path / "main.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{t}\end{document}"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "main"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-2000:]
