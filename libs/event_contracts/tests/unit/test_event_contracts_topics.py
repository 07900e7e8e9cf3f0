"""The topics: each carries one event, and dead letters go next to the topic that they come from."""

import pytest
from event_contracts import (
    ALL_TOPICS,
    CALLBACK_TOPICS,
    ConfigurationError,
    DeadLetterHeader,
    TokenUsage,
    Topic,
    TopicSpec,
    dead_letter_topic,
    event_for,
    topic_of,
)


def test_every_topic_is_described_once() -> None:
    described = [spec.topic for spec in ALL_TOPICS]

    assert sorted(described) == sorted(Topic)
    assert len({spec.event for spec in ALL_TOPICS}) == len(described)


@pytest.mark.parametrize("spec", ALL_TOPICS, ids=lambda spec: spec.event.__name__)
def test_an_event_and_its_topic_name_each_other(spec: TopicSpec) -> None:
    assert topic_of(spec.event) is spec.topic
    assert event_for(spec.topic.value) is spec.event


def test_a_type_that_is_not_an_event_has_no_topic() -> None:
    with pytest.raises(ConfigurationError, match="TokenUsage"):
        topic_of(TokenUsage)


def test_an_unknown_topic_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=Topic.LLM_COST_ALERT):
        event_for("huleedu.unknown.v1")


def test_dead_letters_have_a_topic_beside_their_own_and_seven_headers() -> None:
    assert dead_letter_topic(Topic.PHASE_SKIPPED) == "huleedu.batch.phase.skipped.v1.DLQ"
    assert [header.value for header in DeadLetterHeader] == [
        "dlq-reason",
        "dlq-error",
        "dlq-service",
        "dlq-original-topic",
        "dlq-original-partition",
        "dlq-original-offset",
        "dlq-failed-at",
    ]


def test_results_may_be_asked_for_on_one_topic_only() -> None:
    assert {"huleedu.llm_provider.comparison_result.v1"} == CALLBACK_TOPICS
