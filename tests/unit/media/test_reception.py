"""What a receiver counts of one source (RFC 3550 appendix A.1, A.3, A.8)."""

from __future__ import annotations

from sip_edge.media.reception import Reception


def reception_of(*sequences: int) -> Reception:
    reception = Reception(sequences[0])
    for sequence in sequences:
        reception.receive(sequence)
    return reception


def test_packets_in_order_are_neither_lost_nor_double():
    reception = reception_of(10, 11, 12)
    assert (reception.expected, reception.received, reception.lost) == (3, 3, 0)


def test_gap_is_counted_as_loss():
    assert reception_of(10, 11, 15).lost == 3


def test_packet_that_was_overtaken_is_not_lost():
    reception = reception_of(10, 12, 11, 13)
    assert (reception.lost, reception.duplicates) == (0, 0)


def test_duplicate_is_reported_and_counted():
    reception = reception_of(10, 11)
    assert not reception.receive(11)
    assert not reception.receive(10)
    assert reception.duplicates == 2


def test_late_packet_is_new_once_and_a_duplicate_after_that():
    reception = reception_of(10, 12)
    assert [reception.receive(11), reception.receive(11)] == [True, False]


def test_duplicate_does_not_hide_a_loss():
    reception = reception_of(10, 12, 12)
    assert (reception.lost, reception.cumulative_lost) == (1, 0)


def test_sequence_number_wraps_without_a_gap():
    reception = reception_of(65534, 65535, 0, 1)
    assert (reception.lost, reception.highest_sequence) == (0, 65537)


def test_overtaken_packet_across_the_wrap_is_taken_once():
    reception = reception_of(65534, 0)
    assert [reception.receive(65535), reception.receive(65535)] == [True, False]
    assert (reception.lost, reception.highest_sequence) == (0, 65536)


def test_single_packet_far_away_changes_nothing():
    reception = reception_of(10, 11, 30_000, 12, 13)
    assert (reception.expected, reception.lost, reception.highest_sequence) == (4, 0, 13)


def test_two_packets_in_a_row_far_away_are_a_new_beginning_without_loss():
    reception = reception_of(10, 11, 30_000, 30_001, 30_002)
    assert (reception.expected, reception.lost, reception.highest_sequence) == (5, 0, 30_002)


def test_loss_before_a_new_beginning_stays_counted():
    assert reception_of(10, 13, 30_000, 30_001).lost == 2


def test_fraction_lost_covers_the_time_since_the_last_question():
    reception = reception_of(0, 1, 2, 4)
    assert reception.take_fraction_lost() == 51  # 1 of 5, in 1/256
    reception.receive(5)
    assert reception.take_fraction_lost() == 0


def test_fraction_lost_without_a_packet_in_between_is_zero():
    reception = reception_of(0, 1)
    reception.take_fraction_lost()
    assert reception.take_fraction_lost() == 0


def test_even_arrival_has_no_jitter():
    reception = Reception(0)
    for n in range(50):
        reception.note_transit(160 * n, 100 + 0.02 * n)
    assert reception.jitter == 0


def test_jitter_approaches_the_mean_deviation():
    reception = Reception(0)
    for n in range(400):
        reception.note_transit(160 * n, 100 + 0.02 * n + (0.01 if n % 2 else 0.0))
    assert 76 <= reception.jitter <= 80  # 10 ms are 80 units


def test_jitter_ignores_the_wrap_of_timestamps():
    reception = Reception(0)
    for n in range(50):
        reception.note_transit((2**32 - 1600 + 160 * n) % 2**32, 100 + 0.02 * n)
    assert reception.jitter == 0


def test_new_time_line_of_the_sender_is_no_jitter():
    reception = Reception(0)
    reception.note_transit(0, 100.0)
    reception.note_transit(2**31 + 5, 100.02)
    assert reception.jitter == 0
