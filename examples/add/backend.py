"""A backend that verifies access tokens, sees revocations and role changes within a second, and manages users."""
import asyncio
import os
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Annotated
from uuid import UUID

import httpx
import jwt
from fastapi import Body, Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from verify import verify  # examples/verify/verify.py

KEY = {"authorization": f"Bearer {os.environ['DOORWARD_API_KEY']}"}
doorward = httpx.AsyncClient(base_url=os.environ["DOORWARD_URL"], headers=KEY, timeout=5)
# What the event feed keeps true. Without the feed nothing is known, and Doorward is asked about each token.
# logins, by id: the user, and the claims_version of the token that Doorward called active, "changed", or "revoked"
feed = SimpleNamespace(following=False, changes=0, logins={})


def apply(event):
    if event["type"] == "login.ended":
        feed.logins[event["login"]] = (None, "revoked")
    elif event["type"] == "claims.changed":
        for login in [login for login, (user, _) in feed.logins.items() if user == event["user"]]:
            feed.logins[login] = (event["user"], "changed")


async def follow():
    after = None
    while True:
        try:
            # An answer is due every 5 seconds, so a lost connection is noticed within 8.
            query = {} if after is None else {"after": after, "wait": "5s"}
            answer = await doorward.get("/api/admin/events", params=query, timeout=8)
            after = None if answer.status_code == 410 else after  # Events are missing: begin again.
            page = answer.raise_for_status().json()
            if len(feed.logins) > 100_000:
                feed.logins = {}
            feed.changes += bool(page["events"]) or not feed.following
            for event in page["events"]:
                apply(event)
            if not feed.following:
                print("follows changes from", page["next"], flush=True)
            after, feed.following = page["next"], True
        except Exception as error:  # Any: if the task ended, revocations would go unseen.
            print("does not follow changes:", repr(error), flush=True)
            feed.following, feed.logins = False, {}
            await asyncio.sleep(0.5)


def refused(status, code):
    return HTTPException(status, code, {"www-authenticate": 'Bearer error="invalid_token"'} if status == 401 else None)


async def ask(method, path, **request):
    """What Doorward answers to the backend's key. Without an answer, the request is refused."""
    try:
        answer = await doorward.request(method, path, **request)
    except httpx.HTTPError as error:
        raise refused(503, "unavailable") from error
    if answer.status_code in (401, 403, 429) or answer.status_code >= 500:  # not the user's fault
        raise refused(503, "unavailable")
    return answer


async def check(token, login, user, version):
    """Refuses the token of a revoked login, and one with roles that have changed."""
    _, known = feed.logins.get(login, (user, None))
    if known == version:
        return
    if known == "revoked":
        raise refused(401, "token_revoked")
    if isinstance(known, int) and version < known:
        raise refused(401, "token_stale")
    before = feed.changes
    answer = await ask("POST", "/api/introspect", json={"token": token})
    if answer.json()["active"] is not True:
        raise refused(401, "token_stale" if known == "changed" else "invalid_token")
    if feed.following and feed.changes == before:  # Otherwise, the answer may be out of date.
        feed.logins[login] = (user, version)


async def signed_in(bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]):
    try:
        claims = await asyncio.to_thread(verify, bearer.credentials)
    except jwt.PyJWTError as error:
        unread = isinstance(error, jwt.PyJWKClientConnectionError)  # The keys could not be read.
        raise (refused(503, "unavailable") if unread else refused(401, "invalid_token")) from error
    await check(bearer.credentials, claims["sid"], claims["sub"], claims.get("claims_version", 0))
    return claims


def admin(user: Annotated[dict, Depends(signed_in)]):
    if "admin" not in user.get("roles", []):
        raise refused(403, "not_an_admin")


@asynccontextmanager
async def lifespan(_):
    task = asyncio.create_task(follow())
    yield
    task.cancel()


async def users(method, path="", **request):
    answer = await ask(method, f"/api/admin/users{path}", **request)
    return Response(answer.content, answer.status_code, media_type="application/json")


app = FastAPI(lifespan=lifespan)
ADMIN = [Depends(admin)]


@app.get("/me")
async def me(user: Annotated[dict, Depends(signed_in)]):
    return {"id": user["sub"], "roles": user.get("roles", [])}


@app.get("/users", dependencies=ADMIN)
async def find(search: str = "", after: str = ""):
    return await users("GET", params={"search": search, "after": after})


@app.post("/users", dependencies=ADMIN)
async def create(username: Annotated[str, Body()], email: Annotated[str | None, Body()] = None):
    return await users("POST", json={"username": username, "email": email})


@app.put("/users/{user}/roles", dependencies=ADMIN)
async def set_roles(user: UUID, roles: Annotated[list[str], Body(embed=True)]):
    return await users("PATCH", f"/{user}", json={"roles": roles})


@app.post("/users/{user}/disable", dependencies=ADMIN)
async def disable(user: UUID):
    return await users("POST", f"/{user}/disable")
