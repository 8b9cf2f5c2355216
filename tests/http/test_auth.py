"""Who gets in: sessions, tokens, other tenants' credentials, disabled users, guessing."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx2
import pytest
from starlette.routing import Route

from engine.http.resource import Action, Resource, check_routes
from engine.identity.credential import mint
from tests.http.conftest import PASSWORD, House

THINGS = "/acme/api/records/thing"


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def sql(house: House, statement: str, *args: object) -> None:
    async def run() -> None:
        conn = await asyncpg.connect(house.database)
        try:
            await conn.execute(statement, *args)
        finally:
            await conn.close()

    asyncio.run(run())


def wait_for(client: httpx2.Client, status: int, path: str = THINGS) -> float:
    """The seconds until a request is answered with this status."""
    began = time.monotonic()
    while client.get(path).status_code != status:
        assert time.monotonic() - began < 8
        time.sleep(0.01)
    return time.monotonic() - began


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Basic YTpi", "Bearer nonsense", "Bearer fw_acme_short", "Bearer \xe9"]
)
def test_without_a_valid_credential_nothing_is_answered(house: House, header: str | None) -> None:
    client = house.client()
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    for path in (THINGS, "/acme/api/meta", "/acme/api/session", "/nobody/api/meta"):
        answer = client.get(path, headers=headers)
        assert code(answer) == (401, "auth.required")
        assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/acme/openapi.json", "/acme/docs"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")


def test_well_formed_but_unknown_credential(house: House) -> None:
    assert code(house.client(mint("fw", "acme")).get(THINGS)) == (401, "auth.required")
    assert code(house.client(mint("fws", "acme")).get(THINGS)) == (401, "auth.required")


def test_credential_of_another_tenant_is_as_if_there_were_no_tenant(house: House, ada: httpx2.Client) -> None:
    found = ada.get("/other/api/records/thing")
    absent = ada.get("/nobody/api/records/thing")
    assert code(found) == code(absent) == (404, "tenant.unknown")
    strip = [{k: v for k, v in answer.json().items() if k != "request_id"} for answer in (found, absent)]
    assert strip[0] == strip[1]


def test_sign_in_and_out(house: House) -> None:
    client = house.sign_in("bob")
    me = client.get("/acme/api/session").json()
    assert me["user"]["name"] == "Bob" and me["roles"] == ["maker"] and me["capabilities"] == []
    ends = datetime.fromisoformat(me["expires_at"])
    assert timedelta(hours=11) < ends - datetime.now(UTC) <= timedelta(hours=12)
    assert client.delete("/acme/api/session").status_code == 204
    assert code(client.get("/acme/api/session")) == (401, "auth.required")


def test_only_the_hash_of_a_credential_is_stored(house: House) -> None:
    client = house.sign_in("bob")
    made = client.post("/acme/api/tokens", json={"name": "stored?"}).json()["token"]
    secrets = [made, client.headers["authorization"].removeprefix("Bearer "), PASSWORD]

    async def dump() -> str:
        conn = await asyncpg.connect(house.database)
        try:
            rows = []
            for table in ("_login", "_session", "_token", "_idempotency"):
                rows += await conn.fetch(f"SELECT t::text FROM t_acme.{table} t")
            return "\n".join(row[0] for row in rows)
        finally:
            await conn.close()

    text = asyncio.run(dump())
    assert "$argon2id$" in text
    for secret in secrets:
        assert secret not in text and secret.rpartition("_")[2] not in text


def test_wrong_password_unknown_login_and_wrong_shapes(house: House) -> None:
    client = house.client()
    answers = [
        client.post("/acme/api/session", json={"login": login, "password": password})
        for login, password in (("eve", "wrong wrong"), ("nobody", PASSWORD), ("eve\0", PASSWORD), ("eve", "x" * 5000))
    ]
    assert {code(answer) for answer in answers} == {(401, "auth.failed")}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert code(client.post("/acme/api/session", json={"login": 1, "password": "x"})) == (400, "request.malformed")
    assert code(client.post("/acme/api/session", json={"login": "a", "password": "x", "x": 1}))[0] == 400
    assert code(client.post("/nobody/api/session", json={"login": "a", "password": "x"})) == (404, "tenant.unknown")


def test_guessing_is_slowed_down(house: House) -> None:
    client = house.client()
    tried = [client.post("/other/api/session", json={"login": "Dan", "password": f"guess {n}"}) for n in range(6)]
    assert [answer.status_code for answer in tried] == [401] * 5 + [429]
    assert tried[-1].json()["code"] == "auth.limited"
    assert 0 < int(tried[-1].headers["retry-after"]) <= 300
    blocked = client.post("/other/api/session", json={"login": "dan", "password": PASSWORD})
    assert blocked.status_code == 429, "the right password does not help any more, in whatever case the login is"
    assert house.sign_in("dan").get("/acme/api/session").status_code == 200, "another tenant's account is another one"


def test_an_unknown_account_takes_as_long_as_a_known_one(house: House) -> None:
    client = house.client()

    def seconds(login: str) -> float:
        began = time.perf_counter()
        assert client.post("/other/api/session", json={"login": login, "password": "no no no"}).status_code == 401
        return time.perf_counter() - began

    known = min(seconds("bob") for _ in range(3))
    unknown = min(seconds(f"who{n}") for n in range(3))
    assert 0.3 < known / unknown < 3.3


def test_tokens(house: House, bob: httpx2.Client, ada: httpx2.Client) -> None:
    made = bob.post("/acme/api/tokens", json={"name": "robot", "expires_at": "2999-01-01T00:00:00Z"})
    assert made.status_code == 201
    token = made.json()
    robot = house.client(token["token"])
    assert robot.get("/acme/api/session").json()["expires_at"] is None
    assert robot.delete("/acme/api/session").status_code == 403
    shown = bob.get("/acme/api/tokens").json()["items"]
    assert next(t for t in shown if t["id"] == token["id"])["name"] == "robot" and "token" not in shown[0]
    assert token["id"] not in {t["id"] for t in ada.get("/acme/api/tokens").json()["items"]}
    assert code(ada.delete(f"/acme/api/tokens/{token['id']}")) == (404, "token.unknown"), "not her token"
    assert bob.delete(f"/acme/api/tokens/{token['id']}").status_code == 204
    assert code(robot.get(THINGS)) == (401, "auth.required"), "revoked at once"
    assert code(bob.delete("/acme/api/tokens/none")) == (404, "token.unknown")


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x" * 81},
        {"name": "a\u0000b"},
        {"name": "x", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "expires_at": "2999-01-01T00:00:00"},
    ],
)
def test_tokens_that_can_not_be_made(bob: httpx2.Client, body: dict[str, str]) -> None:
    assert code(bob.post("/acme/api/tokens", json=body)) == (422, "token.invalid")


def test_expired_token_and_session(house: House, bob: httpx2.Client) -> None:
    token = bob.post("/acme/api/tokens", json={"name": "short"}).json()
    robot = house.client(token["token"])
    sql(house, "UPDATE t_acme._token SET expires_at = now() - interval '1 second' WHERE id = $1", UUID(token["id"]))
    assert code(robot.get(THINGS)) == (401, "auth.required")
    client = house.sign_in("bob")
    sql(
        house,
        "UPDATE t_acme._session SET expires_at = now() + interval '1 second' WHERE user_id = $1 AND expires_at = ("
        "SELECT max(expires_at) FROM t_acme._session)",
        house.users["bob"],
    )
    assert wait_for(client, 401) < 3, "a remembered session ends with the session"


def test_disabled_user_is_out_at_once_and_roles_change_at_once(house: House, ada: httpx2.Client) -> None:
    dan, address = house.sign_in("dan"), f"/acme/api/logins/{house.users['dan']}"
    assert dan.get(THINGS).status_code == 200
    assert ada.patch(address, json={"roles": ["guest"]}).status_code == 200
    assert dan.get(THINGS).status_code == 404
    assert ada.patch(address, json={"roles": ["maker"]}).json()["roles"] == ["maker"]
    assert dan.get(THINGS).status_code == 200
    assert ada.patch(address, json={"active": False}).json()["active"] is False
    assert code(dan.get(THINGS)) == (401, "auth.required")
    denied = house.client().post("/acme/api/session", json={"login": "dan", "password": PASSWORD})
    assert code(denied) == (401, "auth.failed")
    assert ada.patch(address, json={"active": True}).status_code == 200
    assert code(dan.get(THINGS)) == (401, "auth.required"), "its sessions are gone"
    assert house.sign_in("dan").get(THINGS).status_code == 200


def test_a_change_made_elsewhere_is_heard(house: House) -> None:
    dan = house.sign_in("dan")
    assert dan.get(THINGS).status_code == 200
    sql(house, "UPDATE t_acme._login SET roles = '{guest}' WHERE login = 'dan'")
    sql(house, "SELECT pg_notify('fieldwright_credentials', 'acme')")
    assert wait_for(dan, 404) < 2
    sql(house, "UPDATE t_acme._login SET roles = '{maker}' WHERE login = 'dan'")
    assert wait_for(dan, 200) < 7, "without a notification the memory of credentials ends by itself"


def test_logins_need_the_capability(house: House, ada: httpx2.Client, bob: httpx2.Client) -> None:
    address = f"/acme/api/logins/{house.users['dan']}"
    for answer in (
        bob.get("/acme/api/logins"),
        bob.patch(address, json={"roles": ["admin"]}),
        bob.post("/acme/api/logins", json={"user": str(house.users["eve"]), "login": "x", "roles": []}),
    ):
        assert code(answer) == (403, "access.denied")
    assert {login["login"] for login in ada.get("/acme/api/logins").json()["items"]} >= {"ada", "bob", "eve", "dan"}


def test_making_logins(house: House, ada: httpx2.Client) -> None:
    user = ada.post("/acme/api/records/user", json={"name": "Fay", "email": "fay@acme.example"}).json()["id"]
    body = {"user": user, "login": "fay", "password": "long enough", "roles": ["maker"]}
    wrong = [
        ({"password": "short"}, "user.password"),
        ({"roles": ["makr"]}, "role.unknown"),
        ({"login": " "}, "user.login"),
    ]
    for change, expected in wrong:
        assert code(ada.post("/acme/api/logins", json={**body, **change})) == (422, expected)
    assert "maker" in ada.post("/acme/api/logins", json={**body, "roles": ["makr"]}).json()["detail"]
    missing = {**body, "user": "01a20912-1676-7000-a461-c4d990469eca"}
    assert code(ada.post("/acme/api/logins", json=missing)) == (404, "user.unknown")
    assert ada.post("/acme/api/logins", json=body).status_code == 201
    assert code(ada.post("/acme/api/logins", json=body)) == (409, "user.exists")
    fay = house.sign_in("fay", "long enough")
    change = fay.post("/acme/api/session/password", json={"old": "wrong", "new": "longer than before"})
    assert code(change) == (401, "auth.failed")
    assert fay.post("/acme/api/session/password", json={"old": "long enough", "new": "longer still"}).status_code == 204
    assert code(fay.get("/acme/api/session")) == (401, "auth.required"), "a new password ends all sessions"
    again = house.sign_in("fay", "longer still")
    version = ada.get(f"/acme/api/records/user/{user}").headers["etag"]
    assert ada.delete(f"/acme/api/records/user/{user}", headers={"if-match": version}).status_code == 204
    assert wait_for(again, 401, "/acme/api/session") < 2, "who is no user any more does not get in"


def test_what_a_user_is_decides_what_he_sees_at_once(house: House, ada: httpx2.Client) -> None:
    me = f"/acme/api/records/user/{house.users['bob']}"
    bob = house.sign_in("bob")
    assert bob.get("/acme/api/session").json()["locale"] == "en"
    assert ada.patch(me, json={"language": "zh-CN"}, headers={"if-match": "*"}).status_code == 200
    began = time.monotonic()
    while bob.get("/acme/api/session").json()["locale"] != "zh-CN":
        assert time.monotonic() - began < 2
    assert ada.patch(me, json={"language": "en"}, headers={"if-match": "*"}).status_code == 200


def test_a_route_that_does_not_declare_its_callers_stops_the_start() -> None:
    async def anything(call: object) -> object:
        return call

    check_routes([Route("/x", Resource("/x", GET=Action(anything, "anyone")))])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="declare"):
        check_routes([Route("/x", anything)])
    with pytest.raises(TypeError, match="declare"):
        check_routes([Route("/x", Resource("/x", GET=Action(anything, "whoever")))])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Action(anything)  # type: ignore[call-arg, arg-type]
