"""A stand-in for ``torch.cuda`` that notes what happens on its stream."""

from contextlib import contextmanager


class FakeTorchCuda:
    """What the runtime uses of ``torch.cuda``.

    Attributes:
        log: what happened on the stream, in order: ``use``, ``wait``, ``record``, ``refused``.
        refuse: the next wait fails with this.
        now_ms: the time that events see; every use of the stream takes 1 ms.
    """

    def __init__(self):
        self.log: list[str] = []
        self.refuse: Exception | None = None
        self.now_ms = 0.0
        outer = self

        class Stream:
            def wait_stream(self, other):
                outer.log.append("wait for the default stream")

            def synchronize(self):
                outer.log.append("wait")
                if outer.refuse is not None:
                    raise outer.refuse

        class Event:
            def __init__(self, enable_timing):
                assert enable_timing

            def record(self, stream):
                assert isinstance(stream, Stream)
                outer.log.append("record")
                self.at_ms = outer.now_ms

            def elapsed_time(self, other):
                assert outer.log[-1] == "wait", "nobody waited for the events"
                return other.at_ms - self.at_ms

        self.Stream, self.Event = Stream, Event

    def current_stream(self):
        return None

    @contextmanager
    def stream(self, stream):
        assert isinstance(stream, self.Stream)
        yield
        self.log.append("use")
        self.now_ms += 1.0
