"""Courier: HMAC-SHA256 of the body, in hex, in the header `courier-signature: sha256=...`. Its JSON has `id`, `type` and
`time` (in seconds)."""

import wit_world
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.sender import Outgoing
from wit_world.imports import capabilities as lent
from wit_world.imports import types

SIGNATURE = "courier-signature"
PREFIX = "sha256="
EXAMPLE = '{"id":"c_1700000000","type":"parcel.sent","time":1700000000}'


class WitWorld(wit_world.WitWorld):
    def describe(self):
        return types.Descriptor(
            name="courier",
            version="0.1.0",
            summary="Courier: HMAC-SHA256 of the body, in Python",
            documentation=["https://courier.example/docs/webhooks"],
            secrets=[types.SecretSpec("signing", True, False, "the webhook's secret")],
            settings=[],
            headers=[SIGNATURE],
            key_urls=[],
            confirm_urls=[],
        )

    # A function returns its good case, and raises the other one of its `result`.
    def verify(self, delivery):
        tag = signature_of(delivery)
        # The bytes of the secret stay with the host, and so does the body.
        if not secret_of(delivery).verify_mac(lent.Digest.SHA256, [lent.Part_Body()], tag):
            raise Err(types.Refusal_Unauthenticated(f"{SIGNATURE} does not fit the body"))
        id, kind, time = fields_of(delivery, ["/id", "/type", "/time"])
        identity = types.Identity(
            id=text_of(id),
            kind=text_of(kind),
            occurred_at=int(time.value) * 1000 if isinstance(time, lent.JsonValue_Number) else None,
            ordering=None,
            attributes=[],
        )
        return types.Verdict_Admit(types.Accepted([types.Admission(identity, types.Payload_Body())], None))

    def transform(self, event):
        identity = event.identity()
        return [
            types.CloudEvent(
                id=identity.id or event.id(),
                source="https://courier.example",
                type=f"example.courier.{identity.kind or 'event'}",
                subject=None,
                time=identity.occurred_at,
                data_schema=None,
                data_content_type="application/json",
                data=types.EventData_Payload(),
                extensions=[],
            )
        ]


class Sender(exports.Sender):
    """Plays the provider, for `hookgate send`. An empty body stands for an example."""

    def sign(self, delivery):
        seconds = delivery.received_at() // 1000
        body, part = None, lent.Part_Body()
        if delivery.body_length() == 0:
            body = EXAMPLE.replace("1700000000", str(seconds)).encode()
            part = lent.Part_Bytes(body)
        tag = delivery.secret("signing", lent.Encoding.UTF8, None).mac(lent.Digest.SHA256, [part])
        return Outgoing([(SIGNATURE, PREFIX + tag.hex()), ("content-type", "application/json")], body)


def signature_of(delivery):
    values = delivery.headers(SIGNATURE)
    if len(values) != 1:
        raise Err(types.Refusal_Unauthenticated(f"{SIGNATURE} must be there once"))
    try:
        text = values[0].decode()
        if text.startswith(PREFIX):
            return bytes.fromhex(text.removeprefix(PREFIX))
    except ValueError:
        pass
    raise Err(types.Refusal_Unauthenticated(f"{SIGNATURE} is not sha256= and hex"))


def secret_of(delivery):
    try:
        return delivery.secret("signing", lent.Encoding.UTF8, None)
    except Err:
        raise Err(types.Refusal_Misconfigured("secrets.signing is missing"))


def fields_of(delivery, pointers):
    try:
        return delivery.json(pointers)
    except Err:
        raise Err(types.Refusal_Malformed("the body is no JSON"))


def text_of(value):
    return value.value or None if isinstance(value, lent.JsonValue_Text) else None
