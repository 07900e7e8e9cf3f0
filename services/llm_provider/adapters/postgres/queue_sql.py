"""The queue's statements. Times are the database's: the clocks of replicas differ.

Many rows travel as one array per column, so that a statement's text is the same for any number of rows: it is compiled
and planned once.
"""

from typing import Final

from service_kit.work.failed_items import is_retryable_sql
from sqlalchemy import text

from llm_provider.adapters.postgres.request_rows import NEW_REQUESTS
from llm_provider.ports.worker_names import END_REQUESTS, GIVE_UP_OUTAGES, READ_REQUESTS, RETURN_REQUESTS

MAX_RESERVED: Final = 2**31 - 1
"""Tokens; one reply that claims absurdly many must not make every later request too large for its column."""

DEPTH = text(
    """
    SELECT
        (SELECT count(*) FROM (SELECT 1 FROM judge_request WHERE ended_at IS NULL LIMIT :at_most) AS open)
            AS open_requests,
        (SELECT sum(requests_per_minute) FROM meter
         WHERE (provider, model) IN (SELECT * FROM unnest(CAST(:providers AS text[]), CAST(:models AS text[]))))
            AS requests_per_minute
    """
)

KNOWN_KEYS = text(
    "SELECT idempotency_key, id, body_sha256 FROM judge_request WHERE idempotency_key = ANY(CAST(:keys AS text[]))"
)

ADD = text(
    f"""
    INSERT INTO judge_request ({NEW_REQUESTS.columns})
    SELECT {NEW_REQUESTS.columns} FROM {NEW_REQUESTS.source} ORDER BY input_order
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING idempotency_key, id, body_sha256
    """
)

# The lowest waiting turn in the queue of each lane, and the lane's own last turn.
LANE_POSITIONS = text(
    """
    SELECT lane.provider, lane.model, lane.priority, lane.caller,
        (SELECT turn FROM judge_request
         WHERE state = 'waiting' AND provider = lane.provider AND model = lane.model
           AND priority = lane.priority
         ORDER BY turn LIMIT 1) AS head,
        (SELECT turn FROM judge_request
         WHERE state = 'waiting' AND provider = lane.provider AND model = lane.model
           AND priority = lane.priority AND judge_request.lane = lane.caller
         ORDER BY turn DESC LIMIT 1) AS last
    FROM unnest(CAST(:providers AS text[]), CAST(:models AS text[]), CAST(:priorities AS smallint[]),
                CAST(:callers AS text[])) AS lane (provider, model, priority, caller)
    """
)

# Takes for one provider run one after the other: each must see what the one before has used up.
LOCK_METERS = text(
    """
    SELECT model FROM meter
    WHERE provider = :provider AND key = :key
      AND held_until <= clock_timestamp()
      AND (open_until IS NULL OR open_until <= clock_timestamp())
      AND NOT EXISTS (SELECT 1 FROM provider_pause WHERE provider_pause.provider = meter.provider)
      AND EXISTS (SELECT 1 FROM judge_request
                  WHERE state = 'waiting' AND judge_request.provider = meter.provider
                    AND judge_request.model = meter.model)
    ORDER BY model FOR UPDATE
    """
)

# An allowance is one moment, ``…_until``: up to then it is used up. A request may go when that moment has passed,
# and pushes it on by its own share of a minute. It is never older than the burst.
TAKE = text(
    f"""
    WITH room AS MATERIALIZED (
        SELECT model, input_ratio, output_mean, moment.at,
            least(CAST(:limit AS integer), floor(concurrency) - calling.calls,
                  CASE WHEN open_until IS NOT NULL THEN 1 - calling.calls END) AS slots,
            60 / (requests_per_minute * CAST(:share AS float8)) AS requests_unit,
            60 / (input_per_minute * CAST(:share AS float8)) AS input_unit,
            60 / (output_per_minute * CAST(:share AS float8)) AS output_unit,
            60 / (tokens_per_minute * CAST(:share AS float8)) AS tokens_unit,
            extract(epoch FROM moment.at - greatest(requests_until, moment.earliest)) AS requests_credit,
            extract(epoch FROM moment.at - greatest(input_until, moment.earliest)) AS input_credit,
            extract(epoch FROM moment.at - greatest(output_until, moment.earliest)) AS output_credit,
            extract(epoch FROM moment.at - greatest(tokens_until, moment.earliest)) AS tokens_credit
        FROM meter
        CROSS JOIN (
            SELECT at, at - CAST(:burst AS interval) AS earliest FROM (SELECT clock_timestamp() AS at) AS now
        ) AS moment
        CROSS JOIN LATERAL (
            SELECT count(*) AS calls FROM judge_request
            WHERE state = 'calling' AND judge_request.provider = meter.provider
              AND judge_request.model = meter.model
        ) AS calling
        WHERE provider = :provider AND key = :key AND model = ANY(CAST(:models AS text[]))
    ),
    candidate AS (
        SELECT room.model, first.id, first.priority, first.turn, first.seq, first.input,
            ceil(room.output_mean) AS output,
            row_number() OVER earlier - 1 AS requests_before,
            coalesce(sum(first.input) OVER (earlier ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
                AS input_before
        FROM room
        CROSS JOIN LATERAL (
            SELECT id, priority, turn, seq, ceil(estimated_input * room.input_ratio) AS input
            FROM judge_request
            WHERE state = 'waiting' AND provider = :provider AND model = room.model
              AND expires_at > room.at AND cancel_requested_at IS NULL
              AND (CAST(:among AS uuid[]) IS NULL OR id = ANY(CAST(:among AS uuid[])))
              AND {is_retryable_sql(READ_REQUESTS, "judge_request.id")}
            ORDER BY priority DESC, turn, seq
            LIMIT CAST(
                greatest(0, least(room.slots, floor(room.requests_credit / room.requests_unit) + 1)) AS bigint)
            FOR UPDATE SKIP LOCKED
        ) AS first
        WINDOW earlier AS (PARTITION BY room.model ORDER BY first.priority DESC, first.turn, first.seq)
    ),
    chosen AS (
        SELECT candidate.*
        FROM candidate JOIN room USING (model)
        WHERE coalesce(input_before * input_unit <= input_credit, true)
          AND coalesce(requests_before * output * output_unit <= output_credit, true)
          AND coalesce((input_before + requests_before * output) * tokens_unit <= tokens_credit, true)
        ORDER BY priority DESC, turn, seq LIMIT CAST(:limit AS integer)
    ),
    charged AS (
        UPDATE meter SET
            requests_until = coalesce(
                at + make_interval(secs => requests * requests_unit - requests_credit), requests_until),
            input_until = coalesce(at + make_interval(secs => input * input_unit - input_credit), input_until),
            output_until = coalesce(
                at + make_interval(secs => output * output_unit - output_credit), output_until),
            tokens_until = coalesce(
                at + make_interval(secs => (input + output) * tokens_unit - tokens_credit), tokens_until)
        FROM room JOIN (
            SELECT model, count(*) AS requests, sum(input) AS input, sum(output) AS output
            FROM chosen GROUP BY model
        ) AS used USING (model)
        WHERE meter.provider = :provider AND meter.key = :key AND meter.model = room.model
    )
    UPDATE judge_request SET
        state = 'calling', due_at = clock_timestamp() + CAST(:lease AS interval), leased_by = :worker,
        attempts = attempts + 1,
        reserved_input = least(chosen.input, {MAX_RESERVED}), reserved_output = least(chosen.output, {MAX_RESERVED})
    FROM chosen WHERE judge_request.id = chosen.id
    RETURNING judge_request.*
    """
)

# The requests that are taken next, unless a meter stands in their way; those of one batch side by side, because what
# is wrong with one of them is often wrong with all.
NEXT_WAITING = text(
    f"""
    SELECT id FROM (
        SELECT id, lane, priority, turn, seq FROM judge_request
        WHERE state = 'waiting' AND provider = :provider AND expires_at > clock_timestamp()
          AND cancel_requested_at IS NULL AND {is_retryable_sql(READ_REQUESTS, "judge_request.id")}
        ORDER BY priority DESC, turn, seq LIMIT :limit
    ) AS next
    ORDER BY lane, priority DESC, turn, seq
    """
)

# When the meters may grant the next call; a model without waiting requests does not count, nor a paused provider.
NEXT_GRANT = text(
    f"""
    SELECT extract(epoch FROM min(greatest(
        held_until, open_until, requests_until, input_until, output_until, tokens_until)) - clock_timestamp())
    FROM meter
    WHERE provider = :provider AND key = :key
      AND NOT EXISTS (SELECT 1 FROM provider_pause WHERE provider_pause.provider = meter.provider)
      AND EXISTS (SELECT 1 FROM judge_request
                  WHERE state = 'waiting' AND judge_request.provider = meter.provider
                    AND judge_request.model = meter.model
                    AND {is_retryable_sql(READ_REQUESTS, "judge_request.id")})
    """
)

# A lease is the one of a worker and an attempt: a row that another worker has by now is left alone.
_HELD = """
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS integer[])) AS held (id, attempts)
    WHERE judge_request.id = held.id AND judge_request.attempts = held.attempts
      AND state = 'calling' AND leased_by = :worker
"""

RENEW = text(f"UPDATE judge_request SET due_at = clock_timestamp() + CAST(:lease AS interval) {_HELD}")

RELEASE = text(f"UPDATE judge_request SET due_at = clock_timestamp() {_HELD}")

RETURN_UNUSED = text(
    f"UPDATE judge_request SET state = 'waiting', leased_by = NULL, attempts = judge_request.attempts - 1 {_HELD}"
)

_SUBMITTED = """(state = 'in_batch' AND EXISTS (
            SELECT 1 FROM batch_job
            WHERE batch_job.id = batch_job_id AND batch_job.state IN ('submitting', 'running')))"""

# The call of a lost worker may have been billed: it counts.
_OVER_AFTER_LOST_CALL = """state = 'calling' AND (paid_calls + 1 >= CAST(:max_attempts AS integer)
            OR expires_at <= clock_timestamp() OR cancel_requested_at IS NOT NULL)"""

DUE_TO_RETURN = text(
    f"""
    SELECT id FROM judge_request
    WHERE state IN ('delayed', 'calling') AND due_at <= clock_timestamp() AND NOT ({_OVER_AFTER_LOST_CALL})
      AND {is_retryable_sql(RETURN_REQUESTS, "judge_request.id")}
      AND {is_retryable_sql(END_REQUESTS, "judge_request.id")}
    ORDER BY due_at LIMIT :limit
    """
)
NEXT_RETURN = text(
    """
    SELECT extract(epoch FROM min(due_at) - clock_timestamp()) FROM judge_request
    WHERE state IN ('delayed', 'calling') AND due_at > clock_timestamp()
    """
)

LOCK_DUE = text(
    f"""
    SELECT id, provider, model, priority, lane AS caller, attempts FROM judge_request
    WHERE id = ANY(CAST(:ids AS uuid[])) AND state IN ('delayed', 'calling') AND due_at <= clock_timestamp()
      AND NOT ({_OVER_AFTER_LOST_CALL})
    ORDER BY due_at FOR UPDATE SKIP LOCKED
    """
)

RETURN = text(
    """
    UPDATE judge_request SET
        paid_calls = paid_calls + CASE WHEN state = 'calling' THEN 1 ELSE 0 END,
        state = 'waiting', leased_by = NULL, turn = due.turn
    FROM unnest(CAST(:ids AS uuid[]), CAST(:turns AS bigint[])) AS due (id, turn)
    WHERE judge_request.id = due.id
    """
)

# Requests that end without another call. One whose call is in progress waits for it: its cost belongs to the result.
DUE_TO_END = text(
    f"""
    SELECT id FROM (
        SELECT id FROM judge_request
        WHERE ended_at IS NULL AND state <> 'calling' AND expires_at <= clock_timestamp() AND NOT {_SUBMITTED}
        UNION
        SELECT id FROM judge_request
        WHERE ended_at IS NULL AND cancel_requested_at IS NOT NULL AND state <> 'calling' AND NOT {_SUBMITTED}
        UNION
        SELECT id FROM judge_request
        WHERE state IN ('delayed', 'calling') AND due_at <= clock_timestamp() AND {_OVER_AFTER_LOST_CALL}
    ) AS due
    WHERE {is_retryable_sql(END_REQUESTS, "due.id")}
    LIMIT :limit
    """
)
NEXT_EXPIRY = text(
    """
    SELECT extract(epoch FROM min(expires_at) - clock_timestamp()) FROM judge_request
    WHERE ended_at IS NULL AND expires_at > clock_timestamp()
    """
)

DUE_TO_GIVE_UP = text(
    f"""
    SELECT judge_request.id FROM meter JOIN judge_request USING (provider, model)
    WHERE (meter.provider, meter.key) IN (SELECT * FROM unnest(CAST(:providers AS text[]), CAST(:keys AS text[])))
      AND meter.open_until IS NOT NULL
      AND meter.failing_since <= clock_timestamp() - CAST(:outage_timeout AS interval)
      AND judge_request.state IN ('waiting', 'delayed')
      AND greatest(judge_request.requested_at, judge_request.not_before)
          <= clock_timestamp() - CAST(:outage_timeout AS interval)
      AND {is_retryable_sql(GIVE_UP_OUTAGES, "judge_request.id")}
    ORDER BY judge_request.seq LIMIT :limit
    """
)

_OPEN = "SELECT * FROM judge_request WHERE id = ANY(CAST(:ids AS uuid[])) AND ended_at IS NULL"

LOCK_OPEN = text(f"{_OPEN} ORDER BY seq FOR UPDATE")

LOCK_WAITING = text(f"{_OPEN} AND state IN ('waiting', 'delayed') ORDER BY seq FOR UPDATE")

LOCK_DUE_TO_END = text(
    f"""
    {_OPEN} AND (
        (state <> 'calling' AND (expires_at <= clock_timestamp() OR cancel_requested_at IS NOT NULL)
         AND NOT {_SUBMITTED})
        OR (due_at <= clock_timestamp() AND {_OVER_AFTER_LOST_CALL}))
    ORDER BY seq FOR UPDATE
    """
)

CANCELLED = text(
    "SELECT id FROM judge_request WHERE id = ANY(CAST(:ids AS uuid[])) AND ended_at IS NULL"
    " AND cancel_requested_at IS NOT NULL ORDER BY seq FOR UPDATE"
)

REQUEST_CANCEL = text(
    f"""
    UPDATE judge_request SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
    WHERE id = :id AND ended_at IS NULL AND (
        state = 'calling' OR {_SUBMITTED})
    RETURNING id
    """
)

# Only a request without a result gets one: a second end changes and sends nothing. The callback is written after this
# statement has locked the row, so two workers that end one request at the same time wait for each other.
END = text(
    """
    UPDATE judge_request SET
        state = done.state, ended_at = clock_timestamp(), result = done.result,
        spent_usd = judge_request.spent_usd + done.cost, price_known = judge_request.price_known AND done.price_known,
        paid_calls = greatest(judge_request.paid_calls, done.paid_calls), leased_by = NULL, turn = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:results AS text[]),
                CAST(:costs AS numeric[]), CAST(:prices_known AS boolean[]), CAST(:paid_calls AS integer[]))
        AS done (id, state, result, cost, price_known, paid_calls)
    WHERE judge_request.id = done.id AND judge_request.ended_at IS NULL
    RETURNING judge_request.id
    """
)

# What was spent is added even if another worker holds the request now; only its holder changes its state: the number
# of its attempt tells, as each lease has its own.
ADD_FAILED_CALLS = text(
    """
    UPDATE judge_request SET
        spent_usd = judge_request.spent_usd + call.cost, price_known = judge_request.price_known AND call.price_known,
        failures = judge_request.failures + call.failures, paid_calls = judge_request.paid_calls + call.paid_calls,
        failing_since = CASE WHEN call.vendor_failed THEN coalesce(judge_request.failing_since, call.ended_at)
                             ELSE judge_request.failing_since END,
        last_error_code = call.error_code, last_error_message = call.error_message
    FROM unnest(CAST(:ids AS uuid[]), CAST(:costs AS numeric[]), CAST(:prices_known AS boolean[]),
                CAST(:failures AS integer[]), CAST(:paid_calls AS integer[]), CAST(:vendor_failed AS boolean[]),
                CAST(:ended_at AS timestamptz[]), CAST(:error_codes AS text[]), CAST(:error_messages AS text[]))
        AS call (id, cost, price_known, failures, paid_calls, vendor_failed, ended_at, error_code, error_message)
    WHERE judge_request.id = call.id AND judge_request.ended_at IS NULL
    """
)
DELAY = text(
    """
    UPDATE judge_request SET
        state = 'delayed', due_at = clock_timestamp() + delayed.delay, leased_by = NULL, batch_job_id = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:delays AS interval[]))
        AS delayed (id, attempts, delay)
    WHERE judge_request.id = delayed.id AND judge_request.attempts = delayed.attempts
      AND state IN ('calling', 'in_batch')
    """
)

# What a caller is told while its request waits: its own last error, else why its model answers no call.
STATUS = text(
    """
    SELECT judge_request.id, judge_request.state, correlation_id, judge_request.attempts, requested_at, ended_at,
        judge_request.provider, judge_request.model, cancel_requested_at, result,
        CASE WHEN ended_at IS NULL THEN coalesce(judge_request.last_error_code, meter.last_error_code) END
            AS waiting_error_code,
        CASE WHEN ended_at IS NULL THEN coalesce(judge_request.last_error_message, meter.last_error_message) END
            AS waiting_error_message
    FROM judge_request LEFT JOIN (
        meter JOIN unnest(CAST(:providers AS text[]), CAST(:keys AS text[])) AS account (provider, key)
            USING (provider, key)
    ) ON meter.provider = judge_request.provider AND meter.model = judge_request.model
        AND meter.failing_since IS NOT NULL
    WHERE judge_request.id = :id
    """
)

COUNTS = text(
    "SELECT provider, state, count(*) AS requests, extract(epoch FROM now() - min(requested_at)) AS oldest_seconds"
    " FROM judge_request WHERE ended_at IS NULL GROUP BY provider, state"
)

OPEN_MODELS = text("SELECT DISTINCT provider, model FROM judge_request WHERE ended_at IS NULL")
