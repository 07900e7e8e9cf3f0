"""One call of a real adapter whose vendor answers with a given body."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import httpx2
from event_contracts import JsonObject, PromptBlock, PromptTarget
from llm_provider.adapters.catalogue import ManifestCatalogue
from llm_provider.domain.calls.call import Call
from llm_provider.domain.requests.prompt import Prompt
from llm_provider.domain.requests.request import LeasedRequest
from llm_provider.tests.building import judge_request, parameters
from llm_provider.tests.vendors.calling import MODELS, judge_of
from llm_provider.use_cases.judging.make_call import MakeCall
from pydantic import JsonValue

VERDICT: Final = json.dumps({"winner": "Essay A", "justification": "Clearer.", "confidence": 4})
VENDOR_OF: Final = {"compat": "openai_compatible"}
SHORT: Final = Prompt.of([PromptBlock(target=PromptTarget.USER_CONTENT, content="Essay A: a. Essay B: b.")])


async def called(
    adapter: str,
    body: JsonValue,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    prompt: Prompt = SHORT,
) -> Call:
    """One call to a vendor that answers with this body."""
    vendor = VENDOR_OF.get(adapter, adapter)

    async def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, json=body, headers=headers or {})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        judge = judge_of(vendor, client, base_url="http://127.0.0.1:1")
        make = MakeCall(judge=judge, catalogue=CATALOGUE, timeout=timedelta(seconds=5))
        return await make(leased(vendor, prompt))


def leased(vendor: str, prompt: Prompt) -> LeasedRequest:
    """A request to this vendor that a worker has taken."""
    request = replace(judge_request(), prompt=prompt, parameters=parameters(vendor, MODELS[vendor]))
    return LeasedRequest(request=request, attempts=1, failures=0, spent_usd=Decimal(0))


CATALOGUE: Final = ManifestCatalogue(default_provider="mock", vendors={}, needs={}, own_limits={})


def responses(**changes: Any) -> JsonObject:
    """An answer of OpenAI's Responses API."""
    item: JsonObject = {"type": "message", "content": [{"type": "output_text", "text": VERDICT}]}
    usage: JsonObject = {"input_tokens": 900, "output_tokens": 40}
    return {"model": "o", "status": "completed", "output": [item], "usage": usage, **changes}
