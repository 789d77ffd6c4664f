"""The padded BiLSTM: torch's packed one on the same weights, and padding that never matters."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402

from magpie.nn.bilstm import BiLSTM  # noqa: E402


def twins() -> tuple[BiLSTM, nn.LSTM]:
    torch.manual_seed(0)
    own, theirs = BiLSTM(5, 3), nn.LSTM(5, 3, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for one, suffix in ((own.ahead, ""), (own.back, "_reverse")):
            for name, parameter in one.named_parameters():
                parameter.copy_(getattr(theirs, name + suffix))
    return own, theirs


def test_states_and_last_states_are_those_of_the_packed_one() -> None:
    own, theirs = twins()
    states, lengths = torch.randn(4, 6, 5), torch.tensor([6, 1, 3, 4])
    packed = pack_padded_sequence(states, lengths, batch_first=True, enforce_sorted=False)
    found, (last, _) = theirs(packed)
    expected, _ = pad_packed_sequence(found, batch_first=True)
    both, ends = own(states, lengths)
    torch.testing.assert_close(both, expected)
    torch.testing.assert_close(ends, torch.cat([last[0], last[1]], -1))
    assert not both[1, 1:].any()


def test_padding_never_reaches_a_result() -> None:
    own, _ = twins()
    states, lengths = torch.randn(2, 5, 5), torch.tensor([2, 5])
    before = own(states, lengths)
    states[0, 2:] = 99.0
    after = own(states, lengths)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    alone = own(states[:1, :2], lengths[:1])
    torch.testing.assert_close(alone[0], before[0][:1, :2])
    torch.testing.assert_close(alone[1], before[1][:1])
