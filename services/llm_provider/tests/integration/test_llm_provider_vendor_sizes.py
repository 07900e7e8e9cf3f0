"""Whatever a vendor sends, no more than a few megabytes of it are read."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Mapping
from typing import Final

import pytest
from llm_provider.adapters.vendor_api.bodies import MAX_ANSWER_BYTES
from llm_provider.domain.calls.errors import JudgeError, UnexpectedAnswer
from llm_provider.tests.vendors.calling import VENDORS, asking, call
from llm_provider.tests.vendors.fake_vendors import Raw, always

BOMB_BYTES: Final = 64 * 1024 * 1024
COMPRESS: Final[Mapping[str, Callable[[bytes], bytes]]] = {"gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("vendor", VENDORS)
async def test_an_answer_beyond_the_limit_is_given_up(vendor: str, status: int) -> None:
    huge = Raw(body=b"0" * (MAX_ANSWER_BYTES + 1), status=status)
    async with asking(vendor, always(huge)) as asked:
        with pytest.raises(UnexpectedAnswer, match="response exceeds the limit of 8 MiB"):
            await asked.judge.judge(call(vendor))


@pytest.mark.parametrize("encoding", COMPRESS)
async def test_a_compressed_answer_is_bounded_by_its_size_after_decompression(encoding: str) -> None:
    async with asking(
        "openai", always(Raw(body=COMPRESS[encoding](b"0" * BOMB_BYTES), encoding=encoding))
    ) as asked:
        tracemalloc.start()
        with pytest.raises(UnexpectedAnswer, match="response exceeds the limit of 8 MiB"):
            await asked.judge.judge(call("openai"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 4 * MAX_ANSWER_BYTES


@pytest.mark.parametrize(
    ("body", "encoding", "says"),
    [(b"{}", "br", "an encoding that was not asked for"), (b"no gzip", "gzip", "cannot be read")],
)
async def test_an_answer_that_cannot_be_decompressed_is_an_error(
    body: bytes, encoding: str, says: str
) -> None:
    async with asking("openai", always(Raw(body=body, encoding=encoding))) as asked:
        with pytest.raises(JudgeError, match=says):
            await asked.judge.judge(call("openai"))
        assert asked.vendors.received[-1].headers["accept-encoding"] == "identity"
