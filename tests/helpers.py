"""What several test files share."""

from typing import Callable


def interrupted_at(call: int, function: Callable) -> Callable:
    """The function, but its call of this number stops as a user does who presses the stop button."""
    calls = []

    def wrapped(*args):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return function(*args)

    return wrapped
