"""Receives deliveries of GitHub. Each is verified, and stored in Postgres once, before it is answered."""

import hashlib
import hmac
import os
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from fastapi import FastAPI, Header, HTTPException, Request, Response

SECRET = os.environ["GITHUB_SECRET"].encode()
CONNECTIONS = int(os.environ.get("DATABASE_CONNECTIONS", "10"))

INSERT = """
    INSERT INTO github_events (id, event, payload) VALUES ($1, $2, $3)
    ON CONFLICT (id) DO NOTHING
"""


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan, openapi_url=None)


def is_signed(body: bytes, signature: str) -> bool:
    expected = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


@app.post("/webhooks/github")
async def receive(
    request: Request,
    x_hub_signature_256: Annotated[str, Header()],
    x_github_event: Annotated[str, Header()],
    x_github_delivery: Annotated[str, Header()],
) -> Response:
    # The signature is of the bytes as they were sent, so the body must not be parsed first.
    body = await request.body()
    if not is_signed(body, x_hub_signature_256):
        raise HTTPException(401)
    # The pool keeps the prepared statement; Postgres parses the document, and refuses one that is not JSON.
    await request.app.state.pool.execute(INSERT, x_github_delivery, x_github_event, body.decode())
    return Response()
