"""Adding a provider is one folder and one manifest entry: nothing else is changed, and it judges."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[4]

FOLDER: Final = '''
"""A provider that exists in this test only."""

import json

import httpx2
from llm_provider.adapters.vendor_api.registration import AccountSettings, ConnectedVendor, VendorRegistration
from llm_provider.domain.costs.usage import Usage
from llm_provider.ports import JudgeCall, JudgeReply
from pydantic_settings import SettingsConfigDict


class Settings(AccountSettings):
    model_config = SettingsConfigDict(env_prefix="LLM_PROVIDER_SCRATCH_")


class ScratchJudge:
    async def judge(self, call: JudgeCall) -> JudgeReply:
        answer = {"winner": "Essay B", "justification": "It is there.", "confidence": 3}
        return JudgeReply(text=json.dumps(answer), model=call.parameters.model, usage=Usage(input=9, output=9))


def _connect(settings: Settings, _: httpx2.AsyncClient) -> ConnectedVendor | None:
    return None if settings.api_key is None else ConnectedVendor(judge=ScratchJudge(), account="scratch")


REGISTRATION = VendorRegistration(
    provider="scratch", settings=Settings, required="api_key", connect=_connect
)
'''

ENTRY: Final = """
[[models]]
provider = "scratch"
id = "scratch-1"
family = "scratch"
name = "Scratch 1"
default = true
free = true
structured_output = "json_schema"
limits = { requests_per_minute = 60, input_tokens_per_minute = 60000, output_tokens_per_minute = 6000, concurrency = 2 }
"""


async def test_a_provider_is_one_folder_and_one_manifest_entry(database_url: str, tmp_path: Path) -> None:
    for package in ("libs/model_manifest", "services/llm_provider"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "services/llm_provider/adapters/vendors/scratch"
    folder.mkdir()
    (folder / "__init__.py").write_text(FOLDER)
    manifest = tmp_path / "libs/model_manifest/models.toml"
    manifest.write_text(manifest.read_text() + ENTRY)

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "llm_provider.tests.scratch_vendor",
        database_url,
        stdout=asyncio.subprocess.PIPE,
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path / "libs"), str(tmp_path / "services")]),
        },
    )
    printed, _ = await process.communicate()

    assert process.returncode == 0
    assert json.loads(printed.splitlines()[-1]) == {
        "winner": "Essay B",
        "provider": "scratch",
        "model": "scratch-1",
    }
