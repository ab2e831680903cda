r"""Speed in LaTeX: only figures of speed columns change."""

from dataclasses import replace

import pytest

from spinn_edge.core.errors import UsageError
from spinn_edge.report.latex_rows import booktabs_rows, rewrite_speed
from spinn_edge.report.latex_text import escape
from tests.unit.bench.training.results import contest, row, two_equations

SIMPLE = r"""\documentclass{article} % it/s
\begin{document}
\begin{table}[t]
\begin{tabular}{@{}l*{4}{r}@{}}
\toprule
Equation & $L_2$ error & it/s & Time [s] & Speed-up \\
\midrule
Burgers & 0.012 & 31.4 & 31.8 & 1.6$\times$ \\[2pt]
\textbf{Allen--Cahn} & 0.034 & \textbf{80.1} & $12.5$ & $1.1\times$ \\ % 80.1 before
Heat \& co & 5 & 77 & 13 & 1.0 \\
\bottomrule
\end{tabular}
\end{table}
Speed of Burgers: 31.4 it/s.
\end{document}
"""


def rewritten(tex, result=None, **headers):
    heads = {name.replace("_", "-"): head for name, head in headers.items()}
    return rewrite_speed(tex, result or two_equations(), heads, "paper.tex")


def test_only_speed_columns_of_measured_rows_change():
    new = rewritten(SIMPLE)
    expected = SIMPLE.replace(
        r"& 31.4 & 31.8 & 1.6$\times$ \\[2pt]", r"& 97.8 & 10.2 & 2.00$\times$ \\[2pt]"
    ).replace(r"\textbf{80.1} & $12.5$ & $1.1\times$", r"\textbf{125} & $8.00$ & $1.25\times$")
    assert new == expected


def test_line_ends_and_everything_outside_the_table_stay():
    windows = SIMPLE.replace("\n", "\r\n")
    assert rewritten(windows) == rewritten(SIMPLE).replace("\n", "\r\n")


def test_rewriting_again_changes_nothing():
    once = rewritten(SIMPLE)
    assert rewritten(once) == once


def test_a_mean_with_deviation_gets_both():
    tex = r"\begin{tabular}{lr} E & it/s \\ Burgers & $31.4 \pm 0.5$ \\ Allen-Cahn & -- \\ " + (
        r"\end{tabular}"
    )
    assert rewritten(tex) == tex.replace(r"$31.4 \pm 0.5$", r"$97.8 \pm 3.2$").replace(
        "--", r"$125 \pm 0$"
    )


def test_heads_over_two_rows_name_the_step():
    tex = (
        "\\begin{tabular}{lrrr}\n"
        " & \\multicolumn{2}{c}{it/s} & \\\\ \\cmidrule(lr){2-3}\n"
        "PDE & eager & compiled & Speed up \\\\ \\midrule\n"
        "\\hline Burgers & 1 & 2 & 3 \\\\\n"
        "Allen--Cahn & {4} & 5 & 6\n"
        "\\end{tabular}"
    )
    new = rewritten(tex)
    assert "Burgers & 48.8 & 97.8 & 2.00 \\\\" in new
    assert "Allen--Cahn & $100 \\pm 0$ & 125 & 1.25\n" in new
    assert new.splitlines()[:3] == tex.splitlines()[:3]


def test_rows_may_name_the_step_under_a_multirow():
    tex = (
        "\\begin{tabular}{llr} PDE & Step & it/s \\\\\n"
        "\\multirow{2}{*}{Burgers} & eager & 1 \\\\\n & \\texttt{torch.compile} & 2 \\\\\n"
        "Allen--Cahn & eager & 3 \\\\ Allen--Cahn & compiled & 4 \\\\ \\end{tabular}"
    )
    new = rewritten(tex)
    assert "eager & 48.8 \\\\\n & \\texttt{torch.compile} & 97.8 \\\\" in new
    assert "eager & 100 \\\\ Allen--Cahn & compiled & 125 \\\\" in new


@pytest.mark.parametrize(
    ("unit", "text"), [("ms", "10230"), ("s", "10.2"), ("min", "0.171"), ("h", "0.00284")]
)
def test_a_time_is_in_the_unit_of_its_head(unit, text):
    tex = rf"\begin{{tabular}}{{lr}} E & Time ({unit}) \\ Burgers & 1 \\ Allen-Cahn & 1 \\" + (
        r"\end{tabular}"
    )
    assert rf"Burgers & {text} \\" in rewritten(tex)


def test_heads_may_be_named():
    tex = r"\begin{tabular}{lrr} E & Rate & Size \\ burgers & 1 & 2 \\ allen-cahn & 3 & 4 \\" + (
        r"\end{tabular}"
    )
    new = rewritten(tex, **{"it/s": "rate"})
    assert r"burgers & 97.8 & 2 \\ allen-cahn & 125 & 4 \\" in new


def test_words_inside_other_words_are_no_heads():
    tex = r"\begin{tabular}{lr} E & units/s times \\ burgers & 1 \\ \end{tabular}"
    with pytest.raises(UsageError, match="no column headed it/s, time, speed-up; its heads are: "):
        rewritten(tex)


def test_comments_in_a_cell_stay_and_commented_rows_are_none():
    tex = (
        "\\begin{tabular}{lr}\nE & it/s \\\\\n% Burgers & 9 \\\\\nBurgers & 1 % & 7 \\\\\n \\\\\n"
        "Allen--Cahn & % soon\n 2 \\\\\n\\end{tabular}"
    )
    assert rewritten(tex) == tex.replace("& 1 %", "& 97.8 %").replace(" 2 \\\\", " 125 \\\\")


def test_a_figure_that_failed_becomes_a_dash():
    good = row("burgers", "autograd", [(0.01,) * 3])
    bad = replace(good, way="compiled", status="failed", reason="50 % & more", launches=())
    result = contest(good, bad)
    tex = r"\begin{tabular}{lr} E & it/s \\ Burgers & 12 \\ \end{tabular}"
    assert rewritten(tex, result) == tex.replace("12", "--")
    assert booktabs_rows(result).splitlines()[2] == (
        r"burgers & compiled & -- & -- & -- \\ % 50 % & more"
    )


def test_no_table_is_refused():
    with pytest.raises(UsageError, match=r"paper\.tex has no tabular environment"):
        rewritten("Burgers & 1 \\\\")
    with pytest.raises(UsageError, match="has no tabular environment"):
        rewritten("% \\begin{tabular}{lr} Burgers & 1 \\\\ \\end{tabular}")


def test_a_row_that_is_not_there_is_refused_with_those_that_are():
    tex = r"\begin{tabular}{lr} E & it/s \\ Burgers & 1 \\ Heat & 2 \\ \end{tabular}"
    with pytest.raises(UsageError, match="no row of 'allen-cahn'; its rows are: E, Burgers, Heat"):
        rewritten(tex)


def test_a_column_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UsageError, match="no column headed 'Gain'; its heads are: Equation"):
        rewritten(SIMPLE, speed_up="Gain")


def test_two_rows_for_one_step_are_refused():
    tex = r"\begin{tabular}{lr} E & it/s \\ Burgers & 1 \\ Burgers & 2 \\ \end{tabular}"
    with pytest.raises(UsageError, match="two rows of 'burgers' for the same step"):
        rewritten(tex)


def test_a_step_that_was_not_measured_is_refused():
    tex = r"\begin{tabular}{lr} E & torch.func it/s \\ Burgers & 1 \\ \end{tabular}"
    with pytest.raises(UsageError, match="'func', which was not measured; measured: autograd, "):
        rewritten(tex)


def test_bare_rows_have_every_figure_and_escaped_names():
    names = [row("a_b&c", "autograd", [(0.01, 0.01, 0.01), (0.02, 0.02, 0.02)])]
    lines = booktabs_rows(contest(*names)).splitlines()
    assert lines[0].startswith("% subject & step & it/s")
    assert lines[1] == r"a\_b\&c & eager & $75.0 \pm 35$ & 14.1 & $1.00\times$ \\"


def test_special_characters_are_escaped():
    assert escape(r"50% a_b\c ~^{#}$&") == (
        r"50\% a\_b\textbackslash{}c \textasciitilde{}\textasciicircum{}\{\#\}\$\&"
    )
