"""Each provider's key and address, tried with a call that costs nothing: its list of models, or its key's own page."""

import os
from collections.abc import Collection, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2
from command_line.finding import Finding, failed, not_checked, passed
from event_contracts import ConfigurationError
from llm_provider.adapters.vendor_api.registration import VendorRegistration, VendorSettings
from llm_provider.adapters.vendors import registrations
from model_manifest import default_model
from model_manifest.endpoints import InstalledEndpoint, with_version
from model_manifest.manifest import manifest
from model_manifest.vendor_lists import VENDORS, ListNotRead

from suite.installed import CJ_ASSESSMENT

TIMEOUT_SECONDS: Final = 10.0
DEFAULT_MODEL: Final = CJ_ASSESSMENT.variable("default_model")
DEFAULT_PROVIDER: Final = CJ_ASSESSMENT.variable("default_provider")
LIST_NEEDS_NO_KEY: Final = {"openrouter": "/key"}
"""Vendors whose list of models is open to everybody, and the address that says whether a key is good."""
LIST_IS_BELOW_VERSION: Final = frozenset({"openai"})
"""Vendors whose judge adds the version to its address; the list does not."""
VERSION: Final = "/v1"


class VendorCheck:
    """Tries providers one by one; ``vendor_time`` is what the last vendor's clock said, with the local moment."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._judges_client = httpx2.AsyncClient()
        """Judges are connected with it, which calls nothing; vendors are asked by ``client``."""
        client.event_hooks = {"response": [self._note_time]}
        self.vendor_time: tuple[datetime, datetime] | None = None

    def findings(self) -> Iterator[Finding]:
        """One for each provider that the manifest knows."""
        for provider, registration in registrations().items():
            yield self._finding(f"provider {provider}", registration)
        try:
            named = manifest().named
        except ConfigurationError as error:
            yield failed("named endpoints", error.message)
            return
        for endpoint in named:
            yield self._of_endpoint(f"provider {endpoint.name}", endpoint)

    def _of_endpoint(self, what: str, endpoint: InstalledEndpoint) -> Finding:
        missing = endpoint.missing()
        if missing is not None:
            return not_checked(what, f"{missing} is not set; without it this endpoint cannot judge")
        address = endpoint.base_url or ""
        try:
            if endpoint.settings.kind != "openai_chat" or endpoint.settings.token is not None:
                return not_checked(
                    what, "set up; only a call shows whether it answers: cj-suite doctor --judges"
                )
            return self._answers(what, with_version(address), endpoint.key)
        except (ListNotRead, httpx2.HTTPError, httpx2.InvalidURL) as error:
            said = error.message if isinstance(error, ListNotRead) else type(error).__name__
            return failed(
                what, f"{said}; check {endpoint.key_variable} and its base_url in the endpoints file"
            )

    def _finding(self, what: str, registration: VendorRegistration[VendorSettings]) -> Finding:
        try:
            vendor = registration.connected({}, self._judges_client)
        except ConfigurationError as error:
            return failed(what, error.message)
        if vendor is None:
            lacking = registration.required_variable
            return not_checked(what, f"{lacking} is not set; without it this provider cannot judge")
        if vendor.url is None:
            return passed(what, "judges on this machine, without a key")
        try:
            return self._tried(what, registration.provider, url=vendor.url.rstrip("/"), key=vendor.account)
        except ListNotRead as error:
            return failed(what, f"{error.message}; {_advice(registration)}")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return failed(what, f"cannot be reached ({type(error).__name__}); {_advice(registration)}")

    def _tried(self, what: str, provider: str, *, url: str, key: str | None) -> Finding:
        vendor = next((one for name, one in VENDORS.items() if name == provider), None)
        if vendor is None or key is None:
            return self._answers(what, url, key)
        if provider in LIST_NEEDS_NO_KEY:
            self._check_key(url + LIST_NEEDS_NO_KEY[provider], key)
        address = f"{url}{VERSION}" if provider in LIST_IS_BELOW_VERSION else url
        listed = {model.id for model in vendor.list_models(self._client, api_key=key, base_url=address)}
        return _of_list(what, provider, listed)

    def _check_key(self, address: str, key: str) -> None:
        answer = self._client.get(address, headers={"authorization": f"Bearer {key}"})
        if not answer.is_success:
            raise ListNotRead(f"{address} answers {answer.status_code}: is the key right?")

    def _answers(self, what: str, url: str, key: str | None) -> Finding:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        answer = self._client.get(f"{url}/models", headers=headers)
        if not answer.is_success:
            raise ListNotRead(f"{url}/models answers {answer.status_code}")
        return passed(what, f"{url} answers")

    def _note_time(self, answer: httpx2.Response) -> None:
        if "date" in answer.headers:
            try:
                said = parsedate_to_datetime(answer.headers["date"])
            except ValueError:
                return
            self.vendor_time = (said, datetime.now(said.tzinfo))


def wanted_model(provider: str) -> str:
    """The model that would judge where a request names none."""
    chosen = os.environ.get(DEFAULT_MODEL)
    is_default = os.environ.get(DEFAULT_PROVIDER, os.environ.get("DEFAULT_PROVIDER")) == provider
    return chosen if chosen and is_default else default_model(provider).id


def _of_list(what: str, provider: str, listed: Collection[str]) -> Finding:
    wanted = wanted_model(provider)
    if wanted not in listed:
        return failed(
            what,
            f"the key is accepted, but the vendor does not list {wanted}, the model that would judge: set another"
            f" with {DEFAULT_MODEL} (see: cj-suite models check)",
        )
    return passed(what, f"the key is accepted; {wanted} is one of {len(listed)} models")


def _advice(registration: VendorRegistration[VendorSettings]) -> str:
    prefix = f"LLM_PROVIDER_{registration.prefix}".upper()
    return f"check {registration.required_variable or prefix} and {prefix}URL in .env"
