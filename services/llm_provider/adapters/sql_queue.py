"""The queue's statements. Times are the database's: the clocks of replicas differ.

Many rows travel as one array a column, so that a statement's text is the same however many there are: it is compiled
and planned once.
"""

from sqlalchemy import text

from llm_provider.adapters.postgres_rows import NEW_REQUEST

DEPTH = text(
    """
    SELECT
        (SELECT count(*) FROM (SELECT 1 FROM judge_request WHERE ended_at IS NULL LIMIT :at_most) AS open),
        (SELECT sum(requests_per_minute) FROM meter
         WHERE (provider, model) IN (SELECT * FROM unnest(CAST(:providers AS text[]), CAST(:models AS text[]))))
    """
)

KNOWN_KEYS = text(
    "SELECT idempotency_key, id, body_sha256 FROM judge_request WHERE idempotency_key = ANY(CAST(:keys AS text[]))"
)

ADD = text(
    f"""
    INSERT INTO judge_request ({", ".join(NEW_REQUEST)})
    SELECT * FROM unnest({", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in NEW_REQUEST.items())})
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING idempotency_key, id, body_sha256
    """
)

# Head of the queue that each lane is in, and the lane's own last turn.
STANDINGS = text(
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

# Takes of one provider go one after the other: each must see what the one before has used up.
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
# and pushes it on by its own share of a minute. It never lags behind the present by more than the burst.
TAKE = text(
    """
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
              AND expires_at > room.at
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
        attempts = attempts + 1, reserved_input = chosen.input, reserved_output = chosen.output
    FROM chosen WHERE judge_request.id = chosen.id
    RETURNING judge_request.*
    """
)

RENEW = text(
    "UPDATE judge_request SET due_at = clock_timestamp() + CAST(:lease AS interval)"
    " WHERE state = 'calling' AND leased_by = :worker"
)

RELEASE = text(
    "UPDATE judge_request SET due_at = clock_timestamp() WHERE state = 'calling' AND leased_by = :worker"
)

GIVE_BACK = text(
    """
    UPDATE judge_request SET state = 'waiting', leased_by = NULL, attempts = attempts - 1
    WHERE id = ANY(:ids) AND state = 'calling' AND leased_by = :worker
    """
)

LOCK_DUE = text(
    """
    SELECT id, provider, model, priority, lane AS caller, attempts FROM judge_request
    WHERE state IN ('later', 'calling') AND due_at <= clock_timestamp()
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)

RETURN = text(
    """
    UPDATE judge_request SET state = 'waiting', leased_by = NULL, turn = due.turn
    FROM unnest(CAST(:ids AS uuid[]), CAST(:turns AS bigint[])) AS due (id, turn)
    WHERE judge_request.id = due.id
    """
)

# Only a request without a result gets one: whoever comes second sends nothing. The callback is written after this
# statement has locked the row, so two that end one request at the same time wait for each other.
END = text(
    """
    UPDATE judge_request SET
        state = done.place, ended_at = clock_timestamp(), result = done.result,
        spent_usd = judge_request.spent_usd + done.cost, price_known = judge_request.price_known AND done.price_known,
        leased_by = NULL, turn = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:places AS text[]), CAST(:results AS text[]),
                CAST(:costs AS numeric[]), CAST(:prices_known AS boolean[]))
        AS done (id, place, result, cost, price_known)
    WHERE judge_request.id = done.id AND judge_request.ended_at IS NULL
    RETURNING judge_request.id
    """
)

# What was spent is added whoever has the request by now; its place is changed by the one who has it only, which the
# number of its attempt tells: each lease has its own.
ADD_SPENT = text(
    """
    UPDATE judge_request SET
        spent_usd = judge_request.spent_usd + call.cost, price_known = judge_request.price_known AND call.price_known,
        failures = judge_request.failures + call.failures, last_error_code = call.error_code
    FROM unnest(CAST(:ids AS uuid[]), CAST(:costs AS numeric[]), CAST(:prices_known AS boolean[]),
                CAST(:failures AS integer[]), CAST(:error_codes AS text[]))
        AS call (id, cost, price_known, failures, error_code)
    WHERE judge_request.id = call.id AND ended_at IS NULL
    """
)
POSTPONE = text(
    """
    UPDATE judge_request SET
        state = 'later', due_at = clock_timestamp() + later.pause, leased_by = NULL, provider_batch = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS integer[]), CAST(:pauses AS interval[]))
        AS later (id, attempts, pause)
    WHERE judge_request.id = later.id AND judge_request.attempts = later.attempts
      AND state IN ('calling', 'batched')
    """
)

TAKE_EXPIRED = text(
    """
    SELECT * FROM judge_request
    WHERE ended_at IS NULL AND state <> 'calling' AND expires_at <= clock_timestamp()
    ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)

LOCK_OPEN = text("SELECT * FROM judge_request WHERE id = :id AND ended_at IS NULL FOR UPDATE")

COUNTS = text(
    "SELECT provider, state, count(*) AS requests FROM judge_request"
    " WHERE ended_at IS NULL GROUP BY provider, state"
)

OPEN_MODELS = text("SELECT DISTINCT provider, model FROM judge_request WHERE ended_at IS NULL")

FORGET = text(
    """
    UPDATE judge_request SET system = NULL, blocks = NULL
    WHERE ended_at < now() - CAST(:age AS interval) AND ended_at IS NOT NULL AND blocks IS NOT NULL
    """
)
