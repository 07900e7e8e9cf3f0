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
    UPDATE meter SET held_until = greatest(held_until, clock_timestamp() + CAST(:for_time AS interval))
    WHERE provider = :provider AND key = :key AND model = :model
    """
)

# ``limit`` and ``hold`` are what the vendor's headers say about an allowance: its size, and for how many seconds it is
# held; null where they say nothing.
SETTLE = text(
    """
    WITH reported AS (
        SELECT * FROM unnest(
            CAST(:models AS text[]), CAST(:request_excess AS float8[]), CAST(:input_excess AS float8[]),
            CAST(:output_excess AS float8[]), CAST(:token_excess AS float8[]), CAST(:replies AS float8[]),
            CAST(:estimated_inputs AS float8[]), CAST(:inputs AS float8[]), CAST(:outputs AS float8[]),
            CAST(:request_limits AS float8[]), CAST(:input_limits AS float8[]),
            CAST(:output_limits AS float8[]), CAST(:token_limits AS float8[]),
            CAST(:request_holds AS float8[]), CAST(:input_holds AS float8[]),
            CAST(:output_holds AS float8[]), CAST(:token_holds AS float8[]),
            CAST(:limited AS interval[]), CAST(:failures AS integer[]), CAST(:have_responded AS boolean[]),
            CAST(:error_codes AS text[]), CAST(:error_messages AS text[])
        ) AS reported (model, request_excess, input_excess, output_excess, token_excess, replies,
                   estimated_input, input, output, request_limit, input_limit, output_limit, token_limit,
                   request_hold, input_hold, output_hold, token_hold, limited, failures, has_responded,
                   error_code, error_message)
    ),
    locked AS MATERIALIZED (
        SELECT * FROM meter
        WHERE provider = :provider AND key = :key AND model = ANY(CAST(:models AS text[]))
        ORDER BY model FOR UPDATE
    ),
    judged AS MATERIALIZED (
        SELECT locked.model, clock.at,
            reported.limited IS NOT NULL AND clock.at - reported.limited > locked.concurrency_cut_at AS is_cut,
            1 - power(1 - CAST(:learning AS float8), reported.replies) AS weight,
            streak.failures,
            reported.failures > 0 AND streak.failures >= CAST(:breaker_failures AS integer)
                AND (locked.open_until IS NULL OR locked.open_until <= clock.at) AS opens,
            locked.open_until IS NOT NULL AS was_open
        FROM locked JOIN reported USING (model)
        CROSS JOIN (SELECT clock_timestamp() AS at) AS clock
        CROSS JOIN LATERAL (
            SELECT CASE WHEN reported.has_responded THEN 0 ELSE locked.failures END + reported.failures AS failures
        ) AS streak
    )
    UPDATE meter SET
        requests_per_minute = coalesce(reported.request_limit, requests_per_minute),
        input_per_minute = coalesce(reported.input_limit, input_per_minute),
        output_per_minute = coalesce(reported.output_limit, output_per_minute),
        tokens_per_minute = coalesce(reported.token_limit, tokens_per_minute),
        requests_until = greatest(
            judged.at + make_interval(secs => reported.request_hold), requests_until + coalesce(make_interval(
                secs => reported.request_excess * 60 / (requests_per_minute * CAST(:share AS float8))), interval '0')),
        input_until = greatest(
            judged.at + make_interval(secs => reported.input_hold), input_until + coalesce(make_interval(
                secs => reported.input_excess * 60 / (input_per_minute * CAST(:share AS float8))), interval '0')),
        output_until = greatest(
            judged.at + make_interval(secs => reported.output_hold), output_until + coalesce(make_interval(
                secs => reported.output_excess * 60 / (output_per_minute * CAST(:share AS float8))), interval '0')),
        tokens_until = greatest(
            judged.at + make_interval(secs => reported.token_hold), tokens_until + coalesce(make_interval(
                secs => reported.token_excess * 60 / (tokens_per_minute * CAST(:share AS float8))), interval '0')),
        input_ratio = CASE WHEN reported.estimated_input > 0 THEN input_ratio
            + judged.weight * (reported.input / reported.estimated_input - input_ratio)
            ELSE input_ratio END,
        output_mean = CASE WHEN reported.replies > 0 THEN output_mean
            + judged.weight * (reported.output / reported.replies - output_mean)
            ELSE output_mean END,
        concurrency = CASE WHEN judged.is_cut THEN greatest(1, concurrency * CAST(:cut AS float8))
            ELSE least(max_concurrency, concurrency + reported.replies / concurrency) END,
        concurrency_cut_at = CASE WHEN judged.is_cut THEN judged.at ELSE concurrency_cut_at END,
        failures = judged.failures,
        times_opened = CASE WHEN judged.opens THEN times_opened + 1 WHEN reported.has_responded THEN 0
            ELSE times_opened END,
        open_until = CASE
            WHEN judged.opens THEN judged.at
                + least(CAST(:max_open_for AS interval),
                        CAST(:open_for AS interval) * power(2, least(times_opened, 20)))
            WHEN reported.has_responded THEN NULL ELSE open_until END,
        failing_since = CASE WHEN judged.failures = 0 THEN NULL
            WHEN reported.has_responded OR failing_since IS NULL THEN judged.at ELSE failing_since END,
        last_error_code = CASE WHEN judged.failures = 0 THEN NULL
            ELSE coalesce(reported.error_code, last_error_code) END,
        last_error_message = CASE WHEN judged.failures = 0 THEN NULL
            ELSE coalesce(reported.error_message, last_error_message) END
    FROM judged JOIN reported USING (model)
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
