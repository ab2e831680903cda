"""What one sample of a latency spans."""

HOST_TO_HOST, BOUND, DEVICE, ENQUEUE = "host-to-host", "bound", "device", "enqueue"
BOUNDARIES = (HOST_TO_HOST, BOUND, DEVICE, ENQUEUE)
"""What one sample spans. Figures of different boundaries are never compared.

``host-to-host``: from numpy inputs in host memory to numpy outputs in host memory: the check of the
feeds, the copy in, the run, the wait for its end and the copy out. Wall time. What an application
pays.

``bound``: the run and the wait for its end, on inputs that were bound before; no copies. Wall time.
What an application pays that writes its inputs where the runtime reads them.

``device``: between two events around the enqueue on the device's stream, the copies left out. Time
of the device; the copies stand beside it in ``upload_samples_s`` and ``download_samples_s``. Two
inferences that are not timed go before each sample, so that the device does not wait for the host
unless the host is the slower of the two.

``enqueue``: the host's time in the call that starts an inference. Its end is waited for after the
sample, so that each call finds an idle device.
"""
