"""One thread at a time: who comes while another thread is inside gets an error, and never waits."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from spinn_edge.core.errors import InferenceError


class TakesTurns(Protocol):
    """An object whose methods are for one thread at a time."""

    turn: threading.Lock


_Owner = TypeVar("_Owner", bound=TakesTurns)
_Given = ParamSpec("_Given")
_Returned = TypeVar("_Returned")


def one_thread(
    method: Callable[Concatenate[_Owner, _Given], _Returned],
) -> Callable[Concatenate[_Owner, _Given], _Returned]:
    """Refuse a call of ``method`` while another one of the same object is under way.

    Raises:
        InferenceError: from the method, when that happens.
    """

    @functools.wraps(method)
    def alone(self: _Owner, /, *args: _Given.args, **kwargs: _Given.kwargs) -> _Returned:
        if not self.turn.acquire(blocking=False):
            raise InferenceError(
                f"{method.__name__} was called while another thread uses this runtime; open the "
                "bundle once for each thread"
            )
        try:
            return method(self, *args, **kwargs)
        finally:
            self.turn.release()

    return alone
