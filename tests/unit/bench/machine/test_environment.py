import dataclasses
import os
import platform
from importlib.metadata import version

import pytest

from spinn_edge import __version__
from spinn_edge.bench.machine import environment
from spinn_edge.bench.machine.environment import Environment, describe_environment
from spinn_edge.bench.machine.gpu_state import GpuState
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import RuntimeUnavailableError
from spinn_edge.runtimes.nvidia.driver import CudaDevice
from tests.fakes.machine import FakeMachine

CPUINFO = "processor\t: 0\nmodel name\t: Fast: CPU @ 3 GHz\nprocessor\t: 1\nmodel name\t: Other\n"
CPU = "sys/devices/system/cpu"
GPU = CudaDevice(name="RTX A2000", compute_capability="8.6", driver_version="13.0")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5, 3}, raising=False)
    return FakeMachine(tmp_path)


@pytest.fixture
def describe(machine):
    return lambda **variables: describe_environment(machine.root, variables)


# --- versions, processors, names


def test_versions_of_what_is_installed_are_recorded():
    packages = describe_environment().packages
    assert packages["spinn-edge"] == __version__
    assert packages["numpy"] == version("numpy")
    assert packages["onnxruntime"] == version("onnxruntime")


def test_what_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(
        environment, "installed_version", lambda name: "2" if name == "numpy" else None
    )
    assert describe_environment().packages == {"spinn-edge": __version__, "numpy": "2"}


def test_the_processors_that_may_be_used_are_counted_and_listed(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5, 3}, raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.2345, 9, 9))
    found = describe_environment()
    assert (found.cores, found.affinity, found.load_1min) == (64, 2, 1.23)
    assert found.usable_processors == (3, 5)


def test_a_system_without_affinity_or_load_is_described(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "getloadavg", raising=False)
    found = describe_environment()
    assert (found.affinity, found.usable_processors, found.load_1min) == (0, (), None)


def test_the_processor_is_named(machine, describe):
    machine.put("proc/cpuinfo", CPUINFO)
    assert describe().cpu == "Fast: CPU @ 3 GHz"


@pytest.mark.parametrize("content", [None, "flags : fpu\n", ""], ids=repr)
def test_without_a_name_the_architecture_is_given(machine, describe, content):
    if content is None:
        machine.put_unreadable("proc/cpuinfo")
    else:
        machine.put("proc/cpuinfo", content)
    assert describe().cpu in (platform.processor(), platform.machine())


def test_python_and_system_are_recorded():
    found = describe_environment()
    assert found.python == platform.python_version()
    assert found.system == platform.platform()


# --- the clock of the processor


def test_a_machine_that_tells_nothing_of_itself_gives_no_guesses(describe):
    found = describe()
    for name in (
        "governors", "frequency_driver", "frequency_hz", "frequency_limit_hz", "max_frequency_hz",
        "turbo", "smt", "memory_bytes", "virtual_machine", "container", "on_battery",
    ):  # fmt: skip
        assert getattr(found, name) is None, name


def test_clocks_of_the_usable_processors_are_read_in_hertz(machine, describe):
    for number, now, limit, highest in (
        (0, 1, 9_000_000, 9_000_000),  # not ours
        (3, 1_200_000, 2_000_000, 3_500_000),
        (5, 800_000, 2_500_000, 3_600_000),
    ):
        folder = f"{CPU}/cpu{number}/cpufreq"
        machine.put(f"{folder}/scaling_cur_freq", now)
        machine.put(f"{folder}/scaling_max_freq", limit)
        machine.put(f"{folder}/cpuinfo_max_freq", highest)
        machine.put(f"{folder}/scaling_driver", "intel_pstate")
    found = describe()
    assert found.frequency_hz == 800_000_000
    assert found.frequency_limit_hz == 2_500_000_000
    assert found.max_frequency_hz == 3_600_000_000
    assert found.frequency_driver == "intel_pstate"


def test_a_clock_that_the_driver_does_not_know_is_none(machine, describe):
    machine.put(f"{CPU}/cpu3/cpufreq/scaling_cur_freq", "<unknown>")
    machine.put_unreadable(f"{CPU}/cpu5/cpufreq/scaling_cur_freq")
    assert describe().frequency_hz is None


def test_governors_of_the_usable_processors_are_named_once_each(machine, describe):
    for number, governor in ((0, "ondemand"), (3, "powersave"), (5, "powersave")):
        machine.put(f"{CPU}/cpu{number}/cpufreq/scaling_governor", governor)
    assert describe().governors == ("powersave",)
    machine.put(f"{CPU}/cpu5/cpufreq/scaling_governor", "performance")
    assert describe().governors == ("powersave", "performance")


@pytest.mark.parametrize(
    ("file", "content", "turbo"),
    [
        ("intel_pstate/no_turbo", 0, True),
        ("intel_pstate/no_turbo", 1, False),
        ("cpufreq/boost", 1, True),
        ("cpufreq/boost", 0, False),
        ("cpufreq/boost", "", None),
    ],
)
def test_turbo_is_read_from_either_driver(machine, describe, file, content, turbo):
    machine.put(f"{CPU}/{file}", content)
    assert describe().turbo is turbo


@pytest.mark.parametrize(("content", "smt"), [(1, True), (0, False)])
def test_smt_is_read(machine, describe, content, smt):
    machine.put(f"{CPU}/smt/active", content)
    assert describe().smt is smt


# --- memory, allocator, threads


def test_memory_is_in_bytes(machine, describe):
    machine.put("proc/meminfo", "MemTotal:       2048 kB\nMemFree:  1 kB")
    assert describe().memory_bytes == 2048 * 1024


def test_a_preloaded_allocator_is_named_without_its_folder(describe):
    found = describe(LD_PRELOAD="/opt/mine/libspy.so:/home/me/libjemalloc.so.2")
    assert found.allocator == "libjemalloc.so.2 (LD_PRELOAD)"


def test_without_one_it_is_the_c_library_s_and_its_variables_follow(describe, monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    assert describe(LD_PRELOAD="/opt/mine/libspy.so").allocator == "glibc 2.36"
    found = describe(MALLOC_ARENA_MAX="1", GLIBC_TUNABLES="glibc.malloc.tcache_count=0")
    assert found.allocator == (
        "glibc 2.36, GLIBC_TUNABLES=glibc.malloc.tcache_count=0, MALLOC_ARENA_MAX=1"
    )


def test_an_unknown_c_library_is_no_allocator(describe, monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert describe().allocator is None


def test_thread_variables_that_are_set_are_recorded(describe):
    found = describe(OMP_NUM_THREADS="4", KMP_BLOCKTIME="0", HOME="/root")
    assert found.thread_variables == {"OMP_NUM_THREADS": "4", "KMP_BLOCKTIME": "0"}


# --- what is below and around


@pytest.mark.parametrize(("flags", "virtual"), [("fpu hypervisor", True), ("fpu vmx", False)])
def test_the_hypervisor_s_flag_tells_a_virtual_machine(machine, describe, flags, virtual):
    machine.put("proc/cpuinfo", f"model name : CPU\nflags\t: {flags}")
    assert describe().virtual_machine is virtual


def test_an_arm_processor_has_no_such_flag_so_nothing_is_known(machine, describe):
    machine.put("proc/cpuinfo", "Features : fp asimd")
    assert describe().virtual_machine is None
    machine.put("sys/hypervisor/type", "xen")
    assert describe().virtual_machine is True


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv", "run/systemd/container"])
def test_a_container_is_known_by_its_mark(machine, describe, mark):
    machine.put("proc/uptime", "1 1")
    assert describe().container is False
    machine.put(mark, "")
    assert describe().container is True


def test_a_container_is_known_by_its_variable(machine, describe):
    machine.put("proc/uptime", "1 1")
    assert describe(container="podman").container is True


def test_the_machine_s_own_battery_counts_and_a_mouse_s_does_not(machine, describe):
    supply = "sys/class/power_supply"
    machine.put(f"{supply}/mouse/type", "Battery")
    machine.put(f"{supply}/mouse/scope", "Device")
    machine.put(f"{supply}/mouse/status", "Discharging")
    machine.put(f"{supply}/AC/type", "Mains")
    assert describe().on_battery is None
    machine.put(f"{supply}/BAT0/type", "Battery")
    machine.put(f"{supply}/BAT0/status", "Full")
    assert describe().on_battery is False
    machine.put(f"{supply}/BAT0/status", "Discharging")
    assert describe().on_battery is True


# --- the GPU


def test_the_gpu_is_named_or_why_there_is_none(monkeypatch):
    def none():
        raise RuntimeUnavailableError("no NVIDIA driver")

    monkeypatch.setattr("spinn_edge.runtimes.nvidia.driver.find_device", none)
    found = describe_environment()
    assert (found.gpu, found.gpu_state) == ("none: no NVIDIA driver", None)
    monkeypatch.setattr("spinn_edge.runtimes.nvidia.driver.find_device", lambda: GPU)
    assert describe_environment().gpu == "RTX A2000 (SM86), driver for CUDA 13.0"


def test_the_gpu_s_state_is_asked_for_by_its_name(monkeypatch, describe):
    monkeypatch.setattr("spinn_edge.runtimes.nvidia.driver.find_device", lambda: GPU)
    monkeypatch.setattr(
        environment, "read_gpu_state", lambda name, variables: (name, variables["A"])
    )
    assert describe(A="b").gpu_state == ("RTX A2000", "b")


# --- result files


FULL = Environment(
    cpu="a CPU", cores=8, affinity=2, load_1min=0.5, gpu="none", system="Linux", python="3.11",
    packages={"numpy": "2"}, usable_processors=(0, 1), governors=("ondemand",),
    frequency_driver="acpi-cpufreq", frequency_hz=1, frequency_limit_hz=2, max_frequency_hz=3,
    turbo=True, smt=False, memory_bytes=5, allocator="glibc 2.36", virtual_machine=True,
    container=False, on_battery=False, thread_variables={"OMP_NUM_THREADS": "2"},
    gpu_state=GpuState(driver="580.65", clock_hz=1, max_clock_hz=2, memory_clock_hz=3,
                       power_limit_w=70.0, persistence=False, slowed_by=("heat",)),
)  # fmt: skip


def test_a_full_description_survives_a_result_file():
    assert decode(Environment, encode(FULL), where="results") == FULL


def test_a_result_file_of_the_first_version_still_decodes():
    old = encode(FULL)
    first = ("cpu", "cores", "affinity", "load_1min", "gpu", "system", "python", "packages")
    found = decode(Environment, {name: old[name] for name in first}, where="results")
    assert {name: value for name, value in encode(found).items() if name in first} == {
        name: old[name] for name in first
    }
    for field in dataclasses.fields(Environment):
        if field.name not in first:
            assert not getattr(found, field.name), field.name
