"""The laws of matches: what is looked up is where the same events came last before, however it is computed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from music import folk_tune, random_piece

import melody.tokens.inputs.matches
from melody.dataset import Transposer, with_features
from melody.tokens import Vocabulary
from melody.tokens.inputs.matches import LENGTHS, NO_CODE, NOWHERE, TIMES, Matcher, extended, longest, matches

events = st.lists(st.integers(0, 2), max_size=120)  # few different ones, so that much repeats


def _by_hand(codes: list[int]) -> tuple[int, int, int]:
    """Of the last event, by trying everything."""
    for number in reversed(range(len(LENGTHS))):
        length, end = LENGTHS[number], len(codes)
        places = [place for place in range(length, end) if codes[place - length : place] == codes[-length:]]
        if places and length <= end:
            return number + 1, min(len(places), TIMES - 1), places[-1]
    return 0, 0, NOWHERE


@given(events)
def test_a_match_is_the_longest_context_that_came_before(codes: list[int]) -> None:
    expected = [_by_hand(codes[: end + 1]) for end in range(len(codes))]
    whole = np.stack(matches(np.array(codes, np.int64)), axis=1)
    assert whole.tolist() == [list(match) for match in expected]
    assert _one_by_one([codes]) == [expected]


@given(events)
def test_one_piece_alone_has_the_same_matches(codes: list[int]) -> None:
    matcher = Matcher()
    one_by_one = [matcher.push(code) for code in codes]
    assert one_by_one == [_by_hand(codes[: end + 1]) for end in range(len(codes))]


@pytest.mark.parametrize("shared", [0, 1000])
@given(codes=events, more=events)
@settings(max_examples=20)
def test_a_copy_goes_its_own_way(shared: int, codes: list[int], more: list[int]) -> None:
    """What it has in common with its original, a little or nearly everything, neither of the two spoils for the other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(melody.tokens.inputs.matches, "SHARED", shared)
        matcher, fresh = Matcher(), Matcher()
        for code in codes:
            matcher.push(code)
            fresh.push(code)
        twin = matcher.copy()
        for code in more:
            twin.push(2 - code)
            assert matcher.push(code) == fresh.push(code)
            assert matcher.copy().push(0) == fresh.copy().push(0)


@given(st.lists(events, min_size=1, max_size=4))
@settings(max_examples=20)
def test_the_matches_of_pieces_side_by_side_are_those_of_each(pieces: list[list[int]]) -> None:
    assert _one_by_one(pieces) == [_one_by_one([codes])[0] for codes in pieces]


def _one_by_one(pieces: list[list[int]]) -> list[list[tuple[int, ...]]]:
    """The match after each event of each piece, of all of them side by side."""
    size = max(map(len, pieces), default=0)
    codes, runs = np.full((len(pieces), size), NO_CODE), np.zeros((len(pieces), size), np.int8)
    found: list[list[tuple[int, ...]]] = [[] for _ in pieces]
    for at in range(size):
        code = np.array([(piece + [5] * size)[at] for piece in pieces])
        runs = extended(runs, codes, code)
        codes[:, at] = code
        for piece, own, match in zip(pieces, found, np.stack(longest(runs[:, : at + 1]), axis=1).tolist()):
            if at < len(piece):
                own.append(tuple(match if match[0] else (0, 0, NOWHERE)))
    return found


def test_a_tune_played_twice_is_found_at_any_distance() -> None:
    codes = np.arange(37)
    length, times, place = matches(np.concatenate([codes, codes, codes]))
    assert place[:40].tolist() == [NOWHERE] * 40
    assert place[40:].tolist() == list(range(4, 75))  # what followed one round before
    assert length[[40, 43, 44, 51, 52, 67, 68]].tolist() == [1, 1, 2, 2, 3, 3, 4]
    assert times[73] == 1 and times[110] == 2


@given(st.integers(0, 2**32), st.integers(-5, 6))
def test_events_transposed_are_those_of_the_transposed_piece(number: int, semitones: int) -> None:
    """Their features and conditions too."""
    piece = random_piece(number) if number % 2 else folk_tune(number)
    vocabulary = Vocabulary.build([piece], transpositions=range(-5, 7))
    rows = vocabulary.encode(piece)
    transposer = Transposer(vocabulary, -5, 6)
    if semitones not in transposer.possible(rows):
        return
    moved = transposer(with_features(vocabulary, rows), semitones)
    assert np.array_equal(moved, with_features(vocabulary, vocabulary.encode(piece.transpose(semitones))))
