"""The meters' statements."""

from sqlalchemy import text

_GIVEN = """
    unnest(CAST(:providers AS text[]), CAST(:keys AS text[]), CAST(:models AS text[]),
           CAST(:requests AS float8[]), CAST(:inputs AS float8[]), CAST(:outputs AS float8[]),
           CAST(:tokens AS float8[]), CAST(:concurrencies AS float8[]))
        AS given (provider, key, model, requests, input, output, tokens, concurrency)
"""

ADD_MISSING = text(
    f"""
    INSERT INTO meter (provider, key, model, requests_per_minute, input_per_minute, output_per_minute,
                       tokens_per_minute, max_concurrency, concurrency, output_mean)
    SELECT provider, key, model, requests, input, output, tokens, concurrency, concurrency,
           CAST(:output_mean AS float8)
    FROM {_GIVEN}
    ORDER BY provider, key, model
    ON CONFLICT DO NOTHING
    """
)

SET_LIMITS = text(
    f"""
    UPDATE meter SET
        requests_per_minute = given.requests, input_per_minute = given.input,
        output_per_minute = given.output, tokens_per_minute = given.tokens,
        concurrency = CASE WHEN meter.concurrency >= max_concurrency THEN given.concurrency
                           ELSE least(meter.concurrency, given.concurrency) END,
        max_concurrency = given.concurrency
    FROM {_GIVEN}
    WHERE meter.provider = given.provider AND meter.key = given.key AND meter.model = given.model
    """
)

HOLD = text(
    """
    UPDATE meter SET held_until = greatest(held_until, clock_timestamp() + CAST(:pause AS interval))
    WHERE provider = :provider AND key = :key AND model = :model
    """
)

# ``limit`` and ``hold`` are what the vendor's headers said of an allowance: its size, and for how many seconds it is
# to rest; null where they say nothing.
SETTLE = text(
    """
    WITH said AS (
        SELECT * FROM unnest(
            CAST(:models AS text[]), CAST(:request_excess AS float8[]), CAST(:input_excess AS float8[]),
            CAST(:output_excess AS float8[]), CAST(:token_excess AS float8[]), CAST(:replies AS float8[]),
            CAST(:estimated_inputs AS float8[]), CAST(:inputs AS float8[]), CAST(:outputs AS float8[]),
            CAST(:request_limits AS float8[]), CAST(:input_limits AS float8[]),
            CAST(:output_limits AS float8[]), CAST(:token_limits AS float8[]),
            CAST(:request_holds AS float8[]), CAST(:input_holds AS float8[]),
            CAST(:output_holds AS float8[]), CAST(:token_holds AS float8[]),
            CAST(:limited AS interval[]), CAST(:failures AS integer[]), CAST(:are_alive AS boolean[])
        ) AS said (model, request_excess, input_excess, output_excess, token_excess, replies,
                   estimated_input, input, output, request_limit, input_limit, output_limit, token_limit,
                   request_hold, input_hold, output_hold, token_hold, limited, failures, is_alive)
    ),
    held AS MATERIALIZED (
        SELECT * FROM meter
        WHERE provider = :provider AND key = :key AND model = ANY(CAST(:models AS text[]))
        ORDER BY model FOR UPDATE
    ),
    judged AS MATERIALIZED (
        SELECT held.model, moment.at,
            said.limited IS NOT NULL AND moment.at - said.limited > held.cut_at AS is_cut,
            1 - power(1 - CAST(:learning AS float8), said.replies) AS weight,
            streak.failures,
            said.failures > 0 AND streak.failures >= CAST(:most_failures AS integer)
                AND (held.open_until IS NULL OR held.open_until <= moment.at) AS opens,
            held.open_until IS NOT NULL AS was_open
        FROM held JOIN said USING (model)
        CROSS JOIN (SELECT clock_timestamp() AS at) AS moment
        CROSS JOIN LATERAL (
            SELECT CASE WHEN said.is_alive THEN 0 ELSE held.failures END + said.failures AS failures
        ) AS streak
    )
    UPDATE meter SET
        requests_per_minute = coalesce(said.request_limit, requests_per_minute),
        input_per_minute = coalesce(said.input_limit, input_per_minute),
        output_per_minute = coalesce(said.output_limit, output_per_minute),
        tokens_per_minute = coalesce(said.token_limit, tokens_per_minute),
        requests_until = greatest(
            judged.at + make_interval(secs => said.request_hold), requests_until + coalesce(make_interval(
                secs => said.request_excess * 60 / (requests_per_minute * CAST(:share AS float8))), interval '0')),
        input_until = greatest(
            judged.at + make_interval(secs => said.input_hold), input_until + coalesce(make_interval(
                secs => said.input_excess * 60 / (input_per_minute * CAST(:share AS float8))), interval '0')),
        output_until = greatest(
            judged.at + make_interval(secs => said.output_hold), output_until + coalesce(make_interval(
                secs => said.output_excess * 60 / (output_per_minute * CAST(:share AS float8))), interval '0')),
        tokens_until = greatest(
            judged.at + make_interval(secs => said.token_hold), tokens_until + coalesce(make_interval(
                secs => said.token_excess * 60 / (tokens_per_minute * CAST(:share AS float8))), interval '0')),
        input_ratio = CASE WHEN said.estimated_input > 0 THEN input_ratio
            + judged.weight * (said.input / said.estimated_input - input_ratio)
            ELSE input_ratio END,
        output_mean = CASE WHEN said.replies > 0 THEN output_mean
            + judged.weight * (said.output / said.replies - output_mean)
            ELSE output_mean END,
        concurrency = CASE WHEN judged.is_cut THEN greatest(1, concurrency * CAST(:cut AS float8))
            ELSE least(max_concurrency, concurrency + said.replies / concurrency) END,
        cut_at = CASE WHEN judged.is_cut THEN judged.at ELSE cut_at END,
        failures = judged.failures,
        openings = CASE WHEN judged.opens THEN openings + 1 WHEN said.is_alive THEN 0 ELSE openings END,
        open_until = CASE
            WHEN judged.opens THEN judged.at
                + least(CAST(:longest AS interval), CAST(:pause AS interval) * power(2, least(openings, 20)))
            WHEN said.is_alive THEN NULL ELSE open_until END
    FROM judged JOIN said USING (model)
    WHERE meter.provider = :provider AND meter.key = :key AND meter.model = judged.model
    RETURNING meter.model, meter.open_until IS NOT NULL AS is_open, judged.opens AS has_opened,
        judged.was_open AND meter.open_until IS NULL AS has_closed
    """
)

VIEWS = text(
    """
    SELECT *, CASE WHEN open_until IS NULL THEN 'closed' WHEN open_until > clock_timestamp() THEN 'open'
                   ELSE 'half_open' END AS breaker,
        CASE WHEN held_until > clock_timestamp() THEN held_until END AS held
    FROM meter
    WHERE (provider, key) IN (SELECT * FROM unnest(CAST(:providers AS text[]), CAST(:keys AS text[])))
    ORDER BY provider, model
    """
)

PAUSE = text(
    """
    INSERT INTO provider_pause (provider, paused_by, reason) VALUES (:provider, :by, :reason)
    ON CONFLICT (provider) DO UPDATE SET paused_by = :by, reason = :reason, paused_at = now()
    """
)
RESUME = text("DELETE FROM provider_pause WHERE provider = :provider")
PAUSES = text("SELECT * FROM provider_pause ORDER BY provider")
