"""What a vendor may keep of a prompt is a prefix that other calls have as well, and nothing is lost on the way."""

from event_contracts import PromptBlock, PromptTarget
from hypothesis import given
from hypothesis import strategies as st
from llm_provider.adapters.vendor_api.sections import sections
from llm_provider.domain.requests.prompt import Prompt

storable = st.characters(codec="utf-8", exclude_characters="\0")
blocks = st.builds(
    PromptBlock,
    target=st.sampled_from(PromptTarget),
    content=st.text(storable, min_size=1, max_size=20),
    cacheable=st.booleans(),
    ttl=st.sampled_from(["5m", "1h"]),
)
prompts = st.builds(
    Prompt.of, st.lists(blocks, max_size=6), system_override=st.none() | st.text(storable, max_size=10)
)


def block(content: str, *, system: bool = False, cacheable: bool = True, ttl: str = "5m") -> PromptBlock:
    target = PromptTarget.SYSTEM if system else PromptTarget.USER_CONTENT
    return PromptBlock.model_validate(
        {"target": target, "content": content, "cacheable": cacheable, "ttl": ttl}
    )


@given(prompts)
def test_splitting_a_prompt_changes_no_character_of_it(prompt: Prompt) -> None:
    split = sections(prompt)

    assert split.system.text == prompt.system
    assert split.user.text == prompt.user


@given(prompts)
def test_the_shared_part_of_a_prompt_is_one_unbroken_prefix(prompt: Prompt) -> None:
    split = sections(prompt)

    if split.system.own:
        assert split.user.shared == ""


@given(prompts)
def test_nothing_that_may_not_be_kept_is_shared(prompt: Prompt) -> None:
    split = sections(prompt)

    kept = [part for part in prompt.user_blocks if part.cacheable]
    assert len(split.user.shared) <= sum(len(part.content) + 2 for part in kept)
    if not any(part.cacheable for part in prompt.blocks):
        assert split.shared == ""


@given(prompts)
def test_a_part_is_kept_at_least_as_long_as_what_comes_after_it(prompt: Prompt) -> None:
    split = sections(prompt)

    if split.user.shared and split.user.ttl == "1h":
        assert split.system.ttl == "1h"


def test_the_shared_part_ends_before_the_first_block_that_may_not_be_kept() -> None:
    split = sections(
        Prompt.of([block("S", system=True), block("a"), block("b", cacheable=False), block("c")])
    )

    assert split.system.shared == "S"
    assert split.user.shared == "a\n\n"
    assert split.user.own == "b\n\nc"


def test_system_text_that_replaces_what_may_be_kept_may_be_kept() -> None:
    parts = [block("S", system=True, ttl="1h"), block("a", cacheable=False)]

    split = sections(Prompt.of(parts, system_override="other"))

    assert (split.system.shared, split.system.ttl) == ("other", "1h")


def test_system_text_may_be_kept_only_where_the_caller_says_so() -> None:
    split = sections(Prompt.of([block("a")], system_override="other"))

    assert split.shared == ""
    assert split.system.own == "other"
