"""The laws of a state: streams taken, joined and put, whatever its arrays."""

import numpy as np

from melody.network import State


def _state(streams: int, steps: int, first: float = 0.0) -> State:
    """A state with an array of fixed size and one that grows, no two numbers the same and none of them zero."""
    numbers = np.arange(first + 1, first + 1 + 5 * streams * (1 + steps), dtype=np.float32)
    fixed, growing = np.split(numbers, [5 * streams])
    return State({"c": fixed.reshape(5, streams), "cache": growing.reshape(steps, 5, streams)})


def _same(one: State, other: State) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[name], other[name]) for name in one)


def test_streams_are_taken_in_order_and_more_than_once() -> None:
    state = _state(3, 4)
    taken = state.take(np.array([2, 0, 2]))
    assert np.array_equal(taken["c"], state["c"][:, [2, 0, 2]])
    assert np.array_equal(taken["cache"], state["cache"][:, :, [2, 0, 2]])


def test_what_is_joined_is_taken_apart_again() -> None:
    one, other = _state(2, 4), _state(3, 4, first=1000)
    joined = one.join(other)
    assert _same(joined.take(np.array([0, 1])), one) and _same(joined.take(np.array([2, 3, 4])), other)


def test_a_younger_stream_is_padded_in_front() -> None:
    """The latest steps stand side by side, whichever of the two is the older."""
    old, young = _state(2, 4), _state(1, 2, first=1000)
    for joined, streams in ((old.join(young), [2]), (young.join(old), [0])):
        cache = joined["cache"][:, :, streams]
        assert cache.shape[0] == 4 and not cache[:2].any() and np.array_equal(cache[2:], young["cache"])
        rest = np.delete(joined["cache"], streams, axis=2)
        assert np.array_equal(rest, old["cache"])


def test_put_replaces_the_streams_that_are_named_alone() -> None:
    for steps in (2, 4, 6):
        state, other = _state(3, 4), _state(2, steps, first=1000)
        before = state.copy()
        state.put(np.array([2, 0]), other)
        longest = max(4, steps)
        assert np.array_equal(state["c"][:, [2, 0]], other["c"]) and np.array_equal(state["c"][:, 1], before["c"][:, 1])
        assert state["cache"].shape == (longest, 5, 3)
        assert np.array_equal(state["cache"][longest - steps :, :, [2, 0]], other["cache"])
        assert not state["cache"][: longest - steps, :, [2, 0]].any()
        assert np.array_equal(state["cache"][longest - 4 :, :, 1], before["cache"][..., 1])


def test_a_copy_does_not_change_with_its_original() -> None:
    state = _state(2, 3)
    copied, taken = state.copy(), state.take(np.array([0, 1]))
    state.put(np.array([0]), _state(1, 3, first=1000))
    assert _same(copied, _state(2, 3)) and _same(taken, copied)
