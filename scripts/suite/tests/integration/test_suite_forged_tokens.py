"""No forged or broken token opens any protected route of any service; the identity service's own token does."""

import base64
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

import batch_conductor.assembly
import batch_conductor.settings
import cj_assessment.assembly
import cj_assessment.settings
import jwt
import llm_provider.assembly
import llm_provider.providers
import llm_provider.settings
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from event_contracts import ConfigurationError
from pydantic import JsonValue, SecretStr
from quart import Quart
from quart.typing import TestClientProtocol as Client
from service_kit.http.authentication import SUITE_ISSUER
from service_kit.http.permissions import Permission, Role, access_table
from service_kit.http.service_tokens import ServiceToken
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.running import Service
from service_kit.tests.tokens import AUDIENCE, ISSUER, SERVICE_SECRET, claims, ec_key, rsa_key

PUBLIC: Final = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PUBLIC_JWK: Final = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key().public_key())


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


def part(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def assembled(header: object, payload: object, key: bytes = b"") -> str:
    """Signed with HMAC by hand: the library refuses to make such tokens."""
    content = f"{part(header)}.{part(payload)}"
    signature = base64.urlsafe_b64encode(hmac.new(key, content.encode(), sha256).digest()).rstrip(b"=")
    return f"{content}.{signature.decode()}"


def by_the_key(payload: str | Mapping[str, JsonValue], header: Mapping[str, JsonValue] | None = None) -> str:
    """Signed with the true key, whatever its parts hold."""
    head = part({"alg": "RS256", "typ": "JWT", **(header or {})})
    content = f"{head}.{part(payload)}".encode()
    algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    signature = base64.urlsafe_b64encode(algorithm.sign(content, rsa_key())).rstrip(b"=")
    return f"{content.decode()}.{signature.decode()}"


def signed(**changes: JsonValue) -> str:
    return by_the_key(claims(**changes))


HS: Final = {"alg": "HS256", "typ": "JWT"}
GOOD: Final = signed()
DOUBLED: Final = json.dumps(claims())[:-1] + ', "sub": "somebody"}'


def forged_tokens() -> dict[str, str]:
    """Forged and broken tokens by what is wrong with them, made now: a time in the future does not stay there."""
    return {
        "empty": "",
        "no parts": "token",
        "two parts": GOOD.rpartition(".")[0],
        "four parts": GOOD + ".x",
        "alg none": f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims())}.",
        "alg None": assembled({"alg": "None", "typ": "JWT"}, claims()),
        "alg missing": assembled({"typ": "JWT"}, claims(), PUBLIC.encode()),
        "signature removed": GOOD.rpartition(".")[0] + ".",
        "signature cut": GOOD[:-8],
        "payload exchanged": ".".join((GOOD.split(".")[0], part(claims(sub="me")), GOOD.split(".")[2])),
        "public key as secret": assembled(HS, claims(), PUBLIC.encode()),
        "JWK as secret": assembled(HS, claims(), PUBLIC_JWK.encode()),
        "own JWK in header": jwt.encode(
            claims(),
            rsa_key(2),
            algorithm="RS256",
            headers={"jwk": jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(2).public_key(), as_dict=True)},
        ),
        "jku": jwt.encode(
            claims(), rsa_key(2), algorithm="RS256", headers={"jku": "https://evil.example/jwks"}
        ),
        "kid with a path": jwt.encode(
            claims(), rsa_key(2), algorithm="RS256", headers={"kid": "../../dev/null"}
        ),
        "another RSA key": jwt.encode(claims(), rsa_key(2), algorithm="RS256"),
        "an EC key": jwt.encode(claims(), ec_key(), algorithm="ES256"),
        "RS512": jwt.encode(claims(), rsa_key(), algorithm="RS512"),
        "PS256": jwt.encode(claims(), rsa_key(), algorithm="PS256"),
        "empty secret": assembled(HS, claims()),
        "wrong aud": signed(aud="another-platform"),
        "aud missing": signed(aud=None),
        "wrong iss": signed(iss="somebody"),
        "iss missing": signed(iss=None),
        "iss a list": signed(iss=[ISSUER]),
        "expired": signed(exp=now() - 60),
        "exp missing": signed(exp=None),
        "exp as text": signed(exp=str(now() + 600)),
        "exp infinite": by_the_key(json.dumps(claims()).replace(str(claims()["exp"]), "1e999")),
        "exp NaN": by_the_key(json.dumps(claims()).replace(str(claims()["exp"]), "NaN")),
        "iat ahead": signed(iat=now() + 600),
        "nbf ahead": signed(nbf=now() + 600),
        "sub missing": signed(sub=None),
        "sub empty": signed(sub=""),
        "sub a number": signed(sub=7),
        "roles missing": signed(roles=None),
        "roles as text": signed(roles="admin"),
        "refresh token": signed(typ="refresh"),
        "id token": signed(token_type="id"),
        "wrong typ": by_the_key(claims(), {"typ": "secevent+jwt"}),
        "crit": by_the_key(claims(), {"crit": ["exp"]}),
        "claim twice": by_the_key(DOUBLED),
        "payload a list": by_the_key("[]"),
        "nested too deep": by_the_key("[" * 5_000),
        "oversized": signed(pad="x" * 10_000),
        "service's issuer, our key": signed(iss=SUITE_ISSUER),
        "identity's issuer, service's key": jwt.encode(claims(), SERVICE_SECRET, algorithm="HS256"),
        "alg as a list": assembled({"alg": ["RS256"], "typ": "JWT"}, claims()),
        "not base64": "***.***.***",
    }


ARGUMENT: Final = re.compile(r"<(?:(?P<kind>\w+):)?\w+>")
VALUES: Final = {"": "x", "int": "1", "uuid": "00000000-0000-0000-0000-000000000000"}


async def services(databases: Callable[[str], str]) -> list[Service]:
    bus = MemoryEventBus()

    def common(name: str) -> dict[str, Any]:
        return {
            "database_url": databases(name),
            "event_bus": "memory",
            "callback_signing_secret": SecretStr("whsec_" + "A" * 40),
            "jwt_public_key": PUBLIC,
            "service_secret": SecretStr(SERVICE_SECRET),
            "max_failed_logins": 1_000_000,
        }

    assessment = cj_assessment.settings.Settings(
        **common("cj_assessment"), llm_provider_url="http://127.0.0.1:9", default_provider="mock"
    )
    return [
        await batch_conductor.assembly.assemble(
            batch_conductor.settings.Settings(**common("batch_conductor")), bus=bus
        ),
        await llm_provider.assembly.assemble(
            llm_provider.settings.Settings(**common("llm_provider")), bus=bus
        ),
        await cj_assessment.assembly.assemble(assessment, bus=bus),
    ]


def nowhere(_name: str) -> str:
    return "postgresql+asyncpg://nobody@127.0.0.1:9/none"


def protected_routes(app: Quart) -> Iterator[tuple[str, str]]:
    """Every method and path that needs a permission, from the application's own table."""
    table = access_table(app)
    for rule in app.url_map.iter_rules():
        if not table[rule.endpoint].open_because:
            path = ARGUMENT.sub(lambda found: VALUES[found["kind"] or ""], rule.rule)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield method, path


async def test_no_forged_token_opens_any_route_of_any_service() -> None:
    forged = forged_tokens()
    routes = 0
    opened: list[tuple[str, str, str, int]] = []
    for service in await services(nowhere):
        client = service.app.test_client()
        for method, path in protected_routes(service.app):
            routes += 1
            for name, token in forged.items():
                answer = await getattr(client, method.lower())(
                    path, headers={"Authorization": f"Bearer {token}"}
                )
                if answer.status_code != 401:
                    opened.append((name, method, path, answer.status_code))
        await service.close()

    assert opened == []
    assert routes >= 20
    assert len(forged) >= 25
    print(f"{len(forged)} tokens refused on each of {routes} routes")


async def test_no_token_opens_no_route_and_every_refusal_is_the_documented_error() -> None:
    for service in await services(nowhere):
        client = service.app.test_client()
        for method, path in protected_routes(service.app):
            answer = await getattr(client, method.lower())(path)
            error = (await answer.get_json())["error"]
            assert (answer.status_code, error["error_code"]) == (401, "AUTHENTICATION_ERROR")
            assert {"correlation_id", "service", "operation"} <= error.keys()
        await service.close()


async def test_a_valid_token_without_a_role_of_ours_is_403_everywhere() -> None:
    for service in await services(nowhere):
        client = service.app.test_client()
        for method, path in protected_routes(service.app):
            headers = {"Authorization": f"Bearer {signed(roles=['teacher'])}"}
            answer = await getattr(client, method.lower())(path, headers=headers)
            assert answer.status_code == 403, (method, path)
        await service.close()


async def is_admitted(client: Client, method: str, path: str, token: str) -> bool:
    """Whether a token opens a route; an export that finds no database while it streams was admitted."""
    try:
        answer = await getattr(client, method.lower())(path, headers={"Authorization": f"Bearer {token}"})
    except ConnectionRefusedError:
        return True
    return int(answer.status_code) not in (401, 403)


async def test_the_identity_services_own_token_gets_in() -> None:
    """Exactly its claims: sub, org, roles, exp, iss, aud; no iat."""
    minted = by_the_key(
        {
            "sub": "user-1",
            "org": "school-1",
            "roles": ["admin"],
            "exp": now() + 900,
            "iss": ISSUER,
            "aud": AUDIENCE,
        }
    )
    for service in await services(nowhere):
        client = service.app.test_client()
        for method, path in protected_routes(service.app):
            assert await is_admitted(client, method, path, minted), (method, path)
        await service.close()


@pytest.mark.parametrize(("role", "may_forget"), [(Role.SERVICE, False), (Role.ASSESSMENT_SERVICE, True)])
async def test_of_the_services_cj_assessment_alone_has_batches_forgotten(
    role: Role, may_forget: bool
) -> None:
    token = ServiceToken(SERVICE_SECRET, service="one", audience=AUDIENCE, role=role).token()
    headers = {"Authorization": f"Bearer {token}"}
    for service in await services(nowhere):
        if service.name == llm_provider.providers.NAME:
            answer = await service.app.test_client().delete("/admin/v1/batches/b", headers=headers)
            # There is no database: an admitted caller learns that.
            assert answer.status_code == (503 if may_forget else 403)
            assert access_table(service.app)["privacy.export"].any_of == {Permission.FORGET}
        await service.close()


async def test_an_unmarked_route_keeps_its_service_from_starting() -> None:
    [service, *others] = await services(nowhere)

    async def forgotten() -> str:
        return ""

    service.app.view_functions["forgotten"] = forgotten
    with pytest.raises(ConfigurationError, match="forgotten"):
        access_table(service.app)
    for one in (service, *others):
        await one.close()
