from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqaa_eval.reference_model.tokenizer import CodesError, malformed_positions, merge, repair, split

GROUPS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 1023), min_size=2, max_size=2), st.lists(st.integers(0, 4095), min_size=3, max_size=3)
    ),
    max_size=8,
)
ANYTHING = st.lists(st.integers(-5, 5200), max_size=40)


def streams(groups: list[tuple[list[int], list[int]]]) -> tuple[list[int], list[int]]:
    return [c for slow, _ in groups for c in slow], [c for _, fast in groups for c in fast]


@given(groups=GROUPS)
def test_split_undoes_merge(groups: list[tuple[list[int], list[int]]]) -> None:
    linguistic, semantic = streams(groups)
    codes = split(merge(linguistic, semantic))
    assert (list(codes.linguistic), list(codes.semantic)) == (linguistic, semantic)


@given(groups=GROUPS, extra_slow=st.integers(0, 7), extra_fast=st.integers(0, 2))
def test_what_fills_no_group_is_dropped(
    groups: list[tuple[list[int], list[int]]], extra_slow: int, extra_fast: int
) -> None:
    linguistic, semantic = streams(groups)
    assert merge(linguistic + [1] * extra_slow, semantic + [1] * extra_fast) == merge(linguistic, semantic)


def test_the_published_counts_of_a_real_recording_make_320_codes() -> None:
    assert len(merge([0] * 128, [0] * 193)) == 320
    assert len(merge([0] * 74, [0] * 111)) == 185


@given(codes=ANYTHING)
def test_what_repair_returns_is_whole_groups_and_its_counts_add_up(codes: list[int]) -> None:
    mended = repair(codes)
    assert malformed_positions(mended.codes) == []
    assert len(codes) - mended.n_dropped + mended.n_filled == len(mended.codes)


@given(groups=GROUPS)
def test_repair_leaves_a_well_formed_stream_alone(groups: list[tuple[list[int], list[int]]]) -> None:
    codes = merge(*streams(groups))
    mended = repair(codes)
    assert (mended.codes, mended.n_dropped, mended.n_filled) == (codes, 0, 0)


@given(groups=GROUPS.filter(lambda groups: len(groups) > 1), data=st.data())
def test_one_lost_code_changes_its_own_group_only(
    groups: list[tuple[list[int], list[int]]], data: st.DataObject
) -> None:
    codes = merge(*streams(groups))
    lost = data.draw(st.integers(0, len(codes) - 1))
    mended = repair(codes[:lost] + codes[lost + 1 :]).codes
    changed = {i // 5 for i, (a, b) in enumerate(zip(codes, mended, strict=True)) if a != b}
    assert changed <= {lost // 5}


def test_a_short_tail_is_filled_and_noise_out_of_range_is_dropped() -> None:
    mended = repair([7, 8, 2000, 9999, -1])
    assert (mended.codes, mended.n_dropped, mended.n_filled) == ([7, 8, 2000, 2000, 2000], 2, 2)


def test_a_stream_without_linguistic_codes_gets_code_0() -> None:
    assert repair([2000]).codes == [0, 0, 2000, 2000, 2000]


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([1, 2000, 2000, 2000, 2000], r"position 1 holds 2000 .* linguistic"),
        ([1, 2, 3, 2000, 2000], r"position 2 holds 3 .* semantic"),
        ([1, 2, 2000, 2000], r"the end, position 4 is missing .* semantic .*repair\(\)"),
        ([1, 2, 2000, 2000, 5120], r"position 4 holds 5120"),
    ],
)
def test_malformed_groups_are_refused_with_the_place_and_the_way_out(codes: list[int], message: str) -> None:
    with pytest.raises(CodesError, match=message):
        split(codes)


def test_codes_outside_their_codebook_are_refused() -> None:
    with pytest.raises(CodesError, match=r"linguistic code 1024 at position 1 is outside its codebook of 1024"):
        merge([0, 1024], [0, 0, 0])
    with pytest.raises(CodesError, match=r"semantic code -1 at position 0"):
        merge([0, 1], [-1, 0, 0])
