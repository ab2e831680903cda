from dataclasses import replace

import pytest

from spinn_edge.bench.machine.machine_class import MachineClass, environment_warnings
from tests.unit.report.results import ENVIRONMENT

H200 = "NVIDIA H200 (SM90), driver for CUDA 13.0"


def machine(**changes):
    return MachineClass.of(replace(ENVIRONMENT, **changes))


@pytest.mark.parametrize(
    ("system", "architecture"),
    [
        ("Linux-6.1.0-18-amd64-x86_64-with-glibc2.36", "x86_64"),
        ("Linux-5.15.148-tegra-aarch64-with-glibc2.35", "aarch64"),
        ("macOS-14.1-arm64-arm-64bit", "aarch64"),
        ("Linux-6.6.20-v7l-armv7l-with-glibc2.36", "armv7l"),
        ("Linux-5.14.0-362.el9.x86_64-x86_64-with-glibc2.34", "x86_64"),
        ("Windows-10-10.0.19045-SP0", ""),
        ("Linux-6.1", ""),
    ],
)
def test_architecture_is_read_off_the_systems_description(system, architecture):
    assert machine(system=system).architecture == architecture


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cpu": "EPYC"}, "cpu 'Xeon' and 'EPYC'"),
        ({"cores": 2}, "cores 48 and 2"),
        ({"gpu": H200}, "gpu 'none' and 'NVIDIA H200 (SM90)'"),
    ],
)
def test_unlike_hardware_is_named_from_both_sides(changes, words):
    assert machine().differences(machine(**changes)) == [words]


def test_unlike_architectures_differ_but_an_unknown_one_does_not():
    x86, arm = (machine(system=f"Linux-6-{name}-with-x") for name in ("x86_64", "aarch64"))
    assert x86.differences(arm) == ["architecture 'x86_64' and 'aarch64'"]
    assert x86.differences(machine(system="somewhere")) == []


def test_kernel_load_python_and_packages_are_no_part_of_the_class():
    other = machine(
        system="Linux-7", load_1min=9.0, python="3.12", packages={}, affinity=1, gpu="none: other"
    )
    assert machine().differences(other) == []


def test_driver_of_one_gpu_is_a_warning_and_no_other_machine():
    old = replace(ENVIRONMENT, gpu=H200)
    new = replace(ENVIRONMENT, gpu="NVIDIA H200 (SM90), driver for CUDA 13.1")
    assert MachineClass.of(old) == MachineClass.of(new)
    (warning,) = environment_warnings(old, new, ["trt"])
    assert "CUDA 13.0 in OLD" in warning
    assert "CUDA 13.1 in NEW" in warning


def test_alike_environments_have_no_warning():
    assert environment_warnings(ENVIRONMENT, replace(ENVIRONMENT, load_1min=3.0), ["eager"]) == []


PACKAGES = {"numpy": "2.4", "torch": "2.12", "onnxruntime": "1.30", "tensorrt-rtx": "1.6"}


@pytest.mark.parametrize(
    ("runtimes", "named"),
    [
        (["ort-cpu"], ["numpy", "onnxruntime"]),
        (["eager-cuda"], ["numpy", "torch"]),
        (["compile", "trt-no-graph"], ["numpy", "tensorrt-rtx", "torch"]),
        (["somebodys-own"], sorted(PACKAGES)),
    ],
)
def test_versions_are_warned_of_where_a_timed_runtime_uses_them(runtimes, named):
    old = replace(ENVIRONMENT, packages=PACKAGES)
    new = replace(ENVIRONMENT, packages=dict.fromkeys(PACKAGES, "9"))
    warnings = environment_warnings(old, new, runtimes)
    assert [line.split()[0] for line in warnings] == named
    assert "numpy 2.4 in OLD, 9 in NEW" in warnings


def test_package_of_one_side_alone_is_absent_on_the_other():
    new = replace(ENVIRONMENT, packages={**ENVIRONMENT.packages, "onnxruntime": "1.31"})
    assert environment_warnings(ENVIRONMENT, new, ["ort-cpu"]) == [
        "onnxruntime absent in OLD, 1.31 in NEW"
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"python": "3.12.1"}, "Python 3.11 in OLD, 3.12 in NEW"),
        ({"affinity": 1}, "usable processors: 2 in OLD, 1 in NEW"),
        ({"turbo": False}, "turbo: yes in OLD, no in NEW"),
        ({"governors": ("powersave",)}, "CPU governor performance in OLD, powersave in NEW"),
        (
            {"thread_variables": {"OMP_PLACES": "cores"}},
            "thread variables unset in OLD, OMP_PLACES=cores in NEW",
        ),
    ],
)
def test_what_anybody_can_set_is_a_warning(changes, words):
    old = replace(ENVIRONMENT, turbo=True, governors=("performance",))
    assert environment_warnings(old, replace(old, **changes), ["eager"]) == [words]


def test_setting_that_one_side_does_not_know_is_no_warning():
    known = replace(ENVIRONMENT, turbo=True)
    assert environment_warnings(ENVIRONMENT, known, ["eager"]) == []
    assert environment_warnings(known, ENVIRONMENT, ["eager"]) == []
