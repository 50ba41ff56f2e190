"""The series of the page of metrics that calls and faults from outside do not move within a minute.

Each has the test in which what it counts happens; `tests/unit/test_metrics.py` and
`tests/unit/app/test_observers.py` show that each such word moves its series and no other.
"""

from __future__ import annotations

from typing import Final

ELSEWHERE: Final = {
    # Faults of ours, which no caller may provoke.
    "sip_edge_internal_errors_total": (
        "unit/test_tasks.py::test_failure_is_logged_counted_and_handed_on_once"
    ),
    'sip_edge_call_ends_total{by="internal"}': (
        "unit/test_metrics.py::test_every_word_of_a_call_moves_its_series"
    ),
    'sip_edge_calls_refused_total{refusal="internal_error"}': (
        "unit/routing/test_inbound.py"
        "::test_defect_in_an_adapter_ends_in_500_and_a_report_never_in_silence"
    ),
    'sip_edge_dispatch_attempts_total{reason="internal",result="failed"}': (
        "integration/test_agents_dialer.py::test_a_refusal_brings_the_next_address_at_once"
    ),
    # What takes longer: a caller on hold is asked after two minutes whether it is still there.
    'sip_edge_call_ends_total{by="transport"}': (
        "unit/test_metrics.py::test_every_word_of_a_call_moves_its_series"
    ),
    # The shortest interval of a session timer is a minute and a half.
    'sip_edge_sip_events_total{event="session_expired"}': (
        "unit/sip/dialog/test_session_refresh.py"
        "::test_session_that_its_refresher_forgets_ends_with_bye_and_its_reason"
    ),
    'sip_edge_worker_frame_faults_total{fault="dropped"}': (
        "integration/test_agents_call_limits.py"
        "::test_what_a_worker_does_not_read_is_bounded_dropped_and_counted"
    ),
    # What depends on a millisecond.
    'sip_edge_dispatch_attempts_total{reason="deadline",result="failed"}': (
        "unit/routing/test_inbound.py::test_no_attempt_runs_past_the_deadline_of_the_whole_search"
    ),
    # What takes more than a few hundred messages.
    'sip_edge_sip_events_total{event="session_limit"}': (
        "unit/sip/test_user_agent_server.py"
        "::test_caller_over_the_session_limit_gets_503_and_nobody_else_notices"
    ),
    'sip_edge_refused_connections_total{why="handshakes"}': (
        "unit/transport/test_connection_books.py::test_handshakes_in_all_are_bounded"
    ),
    # What operators bring about.
    'sip_edge_calls_refused_total{refusal="other_account"}': (
        "unit/routing/test_policy.py::test_number_answers_only_its_own_account_where_both_are_known"
    ),
    'sip_edge_tls_failures_total{what="certificate"}': (
        "unit/transport/test_certificate_watch.py"
        "::test_pair_that_does_not_match_is_told_once_and_the_old_one_goes_on"
    ),
    'sip_edge_refused_connections_total{why="descriptors"}': (
        "integration/test_acceptor.py"
        "::test_without_a_descriptor_the_newest_are_closed_and_later_ones_get_in"
    ),
    # Disks and readers that fail in the middle of something.
    "sip_edge_log_lines_dropped_total": (
        "unit/logs/test_writer.py::test_blocked_reader_costs_lines_not_time_or_memory"
    ),
    'sip_edge_record_rows_total{result="dropped"}': (
        "unit/storage/test_call_records.py::test_rows_that_are_given_up_are_counted"
    ),
    'sip_edge_voicemails_total{result="disk_full"}': (
        "unit/voicemail/test_scribe.py::test_disk_that_fills_up_keeps_the_beginning"
    ),
    'sip_edge_voicemails_total{result="too_many"}': (
        "unit/voicemail/test_voicemail_service.py"
        "::test_too_many_recordings_at_once_are_refused_after_the_beep"
    ),
    # A speech engine that fails, or has too much to do.
    'sip_edge_voicemail_greetings_total{source="busy"}': (
        "unit/voicemail/test_greetings.py"
        "::test_too_many_calls_for_new_texts_hear_the_packaged_message_at_once"
    ),
    'sip_edge_voicemail_greetings_total{source="not_ready"}': (
        "unit/voicemail/test_voicemail_service.py"
        "::test_greeting_that_is_not_ready_is_replaced_after_a_second_and_a_half"
    ),
    **dict.fromkeys(
        (
            'sip_edge_voicemail_renderings_total{result="died"}',
            'sip_edge_voicemail_renderings_total{result="engine_error"}',
            'sip_edge_voicemail_renderings_total{result="timed_out"}',
        ),
        "unit/voicemail/test_renderer.py::test_a_text_that_fails_says_how_and_the_next_one_is_spoken",
    ),
    'sip_edge_voicemail_renderings_total{result="dropped"}': (
        "unit/voicemail/test_greetings.py::test_a_million_texts_do_not_keep_a_call_waiting"
    ),
    'sip_edge_voicemail_renderings_total{result="given_up"}': (
        "unit/voicemail/test_greetings.py::test_text_that_always_fails_is_given_up"
    ),
}
"""Series to test: the file below `tests`, and the test in it."""

BY_CHANCE: Final = frozenset(
    {
        'sip_edge_dispatch_attempts_total{reason="deadline",result="failed"}',
        # On a machine that is busy with other things.
        'sip_edge_voicemail_greetings_total{source="not_ready"}',
        'sip_edge_voicemail_renderings_total{result="timed_out"}',
    }
)
"""Those that may move all the same."""
