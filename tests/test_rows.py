"""Rows: turns as padded tensors, of which exactly the sampled tokens count."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agentgym.episode import Turn
from agentgym.train.rows import Row, rows_to_batch, slices_by_length

PAD = 0

token = st.integers(0, 50)  # PAD among them: the masks, not the ids, say what counts


@st.composite
def turns(draw: st.DrawFn) -> Turn:
    prompt = draw(st.lists(token, min_size=1, max_size=6))
    completion = draw(st.lists(token, min_size=1, max_size=6))
    logprobs = draw(st.lists(st.floats(-20, 0, width=32), min_size=len(completion), max_size=len(completion)))
    return Turn("", "", "", "", tuple(prompt), tuple(completion), tuple(logprobs))


rows = st.lists(st.builds(Row, turns(), st.floats(-2, 2, width=32)), max_size=9)
multiples = st.integers(1, 5)


@given(rows, multiples)
def test_masks_cover_exactly_the_sampled_tokens(given_rows: list[Row], multiple: int) -> None:
    batch = rows_to_batch(given_rows, pad_id=PAD, multiple=multiple)
    for index, row in enumerate(given_rows):
        sampled = batch["completion_mask"][index].bool()
        seen = batch["prompt_mask"][index].bool()
        assert tuple(batch["completion_ids"][index][sampled].tolist()) == row.turn.completion_ids
        assert tuple(batch["prompt_ids"][index][seen].tolist()) == row.turn.prompt_ids
        assert tuple(batch["old_per_token_logps"][index][sampled].tolist()) == row.turn.logprobs
        assert batch["advantages"][index].item() == row.advantage
    assert batch["num_items_in_batch"].item() == sum(len(row.turn.completion_ids) for row in given_rows)
    assert batch["num_items_in_batch"] == batch["completion_mask"].sum()


@given(rows, multiples)
def test_prompts_end_and_completions_begin_where_they_meet(given_rows: list[Row], multiple: int) -> None:
    batch = rows_to_batch(given_rows, pad_id=PAD, multiple=multiple)
    assert (batch["prompt_mask"].diff(dim=1) >= 0).all()  # padding on the left
    assert (batch["completion_mask"].diff(dim=1) <= 0).all()  # padding on the right


@given(rows, multiples)
def test_rows_of_no_weight_fill_up_to_a_multiple(given_rows: list[Row], multiple: int) -> None:
    batch = rows_to_batch(given_rows, pad_id=PAD, multiple=multiple)
    count = batch["prompt_ids"].shape[0]
    assert count % multiple == 0
    assert max(1, len(given_rows)) <= count < max(1, len(given_rows)) + multiple
    filling = slice(len(given_rows), None)
    assert batch["completion_mask"][filling].sum() == 0
    assert batch["advantages"][filling].abs().sum() == 0
    assert (batch["prompt_mask"].sum(1) > 0).all()  # attention over nothing is NaN


@given(rows, multiples)
def test_all_tensors_have_a_row_each_and_types_of_their_kind(given_rows: list[Row], multiple: int) -> None:
    batch = rows_to_batch(given_rows, pad_id=PAD, multiple=multiple)
    count, length = batch["completion_ids"].shape
    assert batch["num_items_in_batch"].shape == ()
    assert {tensor.shape[0] for name, tensor in batch.items() if name != "num_items_in_batch"} == {count}
    assert batch["completion_mask"].shape == batch["old_per_token_logps"].shape == (count, length)
    kinds = {name: tensor.dtype.is_floating_point for name, tensor in batch.items()}
    assert [name for name, floating in kinds.items() if floating] == ["old_per_token_logps", "advantages"]


@pytest.mark.parametrize("multiple", [1, 4])
def test_no_rows_at_all_are_a_batch_that_weighs_nothing(multiple: int) -> None:
    batch = rows_to_batch([], pad_id=PAD, multiple=multiple)
    assert batch["prompt_ids"].shape == batch["completion_ids"].shape == (multiple, 1)
    assert batch["num_items_in_batch"] == 0
    assert torch.equal(batch["advantages"], torch.zeros(multiple))


Batch = dict[str, torch.Tensor]


def turn_of(batch: Batch, index: int) -> tuple[object, ...]:
    """All of a row that counts."""
    seen, sampled = batch["prompt_mask"][index].bool(), batch["completion_mask"][index].bool()
    return (
        batch["prompt_ids"][index][seen].tolist(),
        batch["completion_ids"][index][sampled].tolist(),
        batch["old_per_token_logps"][index][sampled].tolist(),
        batch["advantages"][index].item(),
    )


def turns_of(batches: list[Batch]) -> list[tuple[object, ...]]:
    return sorted(turn_of(batch, index) for batch in batches for index in range(len(batch["advantages"])))


@given(rows, st.integers(1, 3), st.integers(1, 3))
def test_slices_by_length_keep_each_row_in_its_window(given_rows: list[Row], windows: int, window: int) -> None:
    batch = rows_to_batch(given_rows, pad_id=PAD, multiple=windows * window)
    size = len(batch["advantages"]) // (windows * window)
    slices = [
        {key: value[start : start + size] if value.ndim else value for key, value in batch.items()}
        for start in range(0, windows * window * size, size)
    ]
    shorter = slices_by_length(slices, window)
    assert [len(each["advantages"]) for each in shorter] == [size] * len(slices)
    for start in range(0, len(slices), window):
        together, former = shorter[start : start + window], slices[start : start + window]
        assert turns_of(together) == turns_of(former)
        lengths = torch.cat([each["prompt_mask"].sum(1) for each in together])
        assert lengths.tolist() == sorted(lengths.tolist())
    for each in shorter:
        assert each["prompt_mask"].sum(1).max() == each["prompt_ids"].shape[1]
        assert max(1, each["completion_mask"].sum(1).max()) == each["completion_ids"].shape[1]
        assert each["old_per_token_logps"].shape == each["completion_ids"].shape == each["completion_mask"].shape
        assert each["num_items_in_batch"] == batch["num_items_in_batch"]
