import threading

import pytest

from spinn_edge.core.errors import InferenceError
from spinn_edge.runtimes.turn import one_thread


class Room:
    """Whoever enters stays until ``leave`` is set."""

    def __init__(self):
        self.turn = threading.Lock()
        self.entered, self.leave = threading.Event(), threading.Event()

    @one_thread
    def enter(self, guest, *, fails=False):
        """Enter."""
        self.entered.set()
        if fails:
            raise ValueError(guest)
        assert self.leave.wait(10)
        return guest


def test_second_thread_is_refused_while_the_first_is_inside():
    room, guests = Room(), []
    first = threading.Thread(target=lambda: guests.append(room.enter("first")))
    first.start()
    assert room.entered.wait(10)
    with pytest.raises(InferenceError, match="enter was called while another thread uses"):
        room.enter("second")
    room.leave.set()
    first.join()
    assert guests == ["first"]
    assert room.enter("second") == "second"


def test_error_inside_gives_the_turn_back():
    room = Room()
    with pytest.raises(ValueError, match="guest"):
        room.enter("guest", fails=True)
    room.leave.set()
    assert room.enter("guest") == "guest"


def test_two_objects_do_not_wait_for_each_other():
    rooms = [Room(), Room()]
    for room in rooms:
        room.leave.set()
    rooms[0].turn.acquire()
    assert rooms[1].enter("guest") == "guest"


def test_name_and_docstring_are_the_methods():
    assert (Room.enter.__name__, Room.enter.__doc__) == ("enter", "Enter.")
