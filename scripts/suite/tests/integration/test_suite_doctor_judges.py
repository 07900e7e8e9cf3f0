"""cj-suite doctor --judges makes one cheap call per key and says in words what came of it."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from llm_provider.tests.vendors.fake_vendors import KEY, fake_vendors

FILE = """
[endpoints.ours]
kind = "openai_chat"
base_url = "{url}"
models = [{{ id = "our-model", price = {{ input = 1, output = 2 }} }}]
"""


def examined(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The lines of ``cj-suite doctor --judges`` by what they are about."""
    ended = subprocess.run(
        [sys.executable, "-m", "suite.main", "doctor", "--judges"],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    return dict(line.split(": ", 1) for line in ended.stdout.splitlines() if ": " in line)


async def test_each_key_is_tried_with_one_call(tmp_path: Path) -> None:
    async with fake_vendors() as vendors:
        (tmp_path / "endpoints.toml").write_text(FILE.format(url=vendors.url("openai_compatible")))
        environment = {
            "LLM_PROVIDER_ANTHROPIC_API_KEY": KEY,
            "LLM_PROVIDER_ANTHROPIC_URL": vendors.url("anthropic"),
            "LLM_PROVIDER_OPENROUTER_API_KEY": "secret-wrong-key",
            "LLM_PROVIDER_OPENROUTER_URL": vendors.url("openrouter"),
            "LLM_PROVIDER_ENDPOINTS_FILE": str(tmp_path / "endpoints.toml"),
            "LLM_PROVIDER_ENDPOINT_OURS_KEY": KEY,
        }
        lines = await asyncio.to_thread(examined, tmp_path, environment)
        calls = [received.vendor for received in vendors.received]

    assert calls == ["anthropic", "openai_compatible"]
    assert "claude-haiku-5-5 preferred Essay " in lines["passed       judge anthropic"]
    assert "for $" in lines["passed       judge ours"]
    assert "does not accept the key: check it" in lines["failed       judge openrouter"]
    assert lines["not checked  judge openai"] == "LLM_PROVIDER_OPENAI_API_KEY is not set"
    assert "secret" not in str(lines)
