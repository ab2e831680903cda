"""The bindings of NVML, over GPUs that a test makes up."""

from types import SimpleNamespace

from spinn_edge.core.errors import MissingDependencyError


class NVMLError(Exception):
    pass


class FakeNvml:
    """The functions of ``pynvml`` that are asked, over a list of GPUs."""

    NVMLError = NVMLError
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_FEATURE_ENABLED = 1, 2, 1

    def __init__(self, *gpus, broken=()):
        self.gpus, self.broken, self.open = gpus, broken, 0

    def __getattribute__(self, name):
        if name != "broken" and name in self.broken:
            return self._refuse
        return super().__getattribute__(name)

    def _refuse(self, *arguments):
        raise NVMLError("not supported")

    def nvmlInit(self):
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlSystemGetDriverVersion(self):
        return "580.65.06"

    def nvmlDeviceGetCount(self):
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index):
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid):
        return next(gpu for gpu in self.gpus if gpu.uuid == uuid)

    def nvmlDeviceGetName(self, gpu):
        return gpu.name

    def nvmlDeviceGetClockInfo(self, gpu, domain):
        return gpu.clocks[domain]

    def nvmlDeviceGetMaxClockInfo(self, gpu, domain):
        return 2000 + domain

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu):
        return 70_500

    def nvmlDeviceGetPersistenceMode(self, gpu):
        return gpu.persistence

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, gpu):
        return gpu.reasons

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu):
        assert self.open, "asked while NVML was closed"
        return gpu.energy_mj

    def nvmlDeviceGetComputeRunningProcesses_v3(self, gpu):
        assert self.open, "asked while NVML was closed"
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in gpu.processes]

    def nvmlDeviceGetComputeRunningProcesses_v2(self, gpu):
        return type(self).nvmlDeviceGetComputeRunningProcesses_v3(self, gpu)


def gpu(name="RTX", uuid="GPU-1", clock=300, reasons=0, persistence=1, energy_mj=0, processes=()):
    """Return a GPU; its processes are pairs of number and bytes."""
    return SimpleNamespace(
        name=name,
        uuid=uuid,
        clocks={1: clock, 2: 405},
        reasons=reasons,
        persistence=persistence,
        energy_mj=energy_mj,
        processes=processes,
    )


def absent():
    """Load bindings that are not installed."""
    raise MissingDependencyError("pynvml", "bench", "no such module")
