// Courier: HMAC-SHA256 of the body, in hex, in the header `courier-signature: sha256=...`. Its JSON has `id`, `type` and
// `time` (in seconds).

const SIGNATURE = 'courier-signature';
const PREFIX = 'sha256=';
const EXAMPLE = '{"id":"c_1700000000","type":"parcel.sent","time":1700000000}';

export function describe() {
  return {
    name: 'courier',
    version: '0.1.0',
    summary: 'Courier: HMAC-SHA256 of the body, in JavaScript',
    documentation: ['https://courier.example/docs/webhooks'],
    secrets: [{ name: 'signing', required: true, handedOver: false, description: "the webhook's secret" }],
    settings: [],
    headers: [SIGNATURE],
    keyUrls: [],
    confirmUrls: [],
  };
}

// A function gives its good case, and throws the other one of its `result`.
export function verify(delivery) {
  const tag = signatureOf(delivery);
  // The bytes of the secret stay with the host, and so does the body.
  if (!secretOf(delivery).verifyMac('sha256', [{ tag: 'body' }], tag)) {
    throw refusal('unauthenticated', `${SIGNATURE} does not fit the body`);
  }
  const [id, kind, time] = fieldsOf(delivery, ['/id', '/type', '/time']);
  const identity = {
    id: textOf(id),
    kind: textOf(kind),
    occurredAt: time?.tag === 'number' ? BigInt(time.val) * 1000n : undefined,
    ordering: undefined,
    attributes: [],
  };
  return { tag: 'admit', val: { events: [{ identity, payload: { tag: 'body' } }], reply: undefined } };
}

export function transform(event) {
  const { id, kind, occurredAt } = event.identity();
  return [
    {
      id: id ?? event.id(),
      source: 'https://courier.example',
      type: `example.courier.${kind ?? 'event'}`,
      subject: undefined,
      time: occurredAt,
      dataSchema: undefined,
      dataContentType: 'application/json',
      data: { tag: 'payload' },
      extensions: [],
    },
  ];
}

// Plays the provider, for `hookgate send`. An empty body stands for an example.
export const sender = {
  sign(delivery) {
    const seconds = delivery.receivedAt() / 1000n;
    const isEmpty = delivery.bodyLength() === 0n;
    const body = isEmpty ? new TextEncoder().encode(EXAMPLE.replaceAll('1700000000', seconds)) : undefined;
    const message = [isEmpty ? { tag: 'bytes', val: body } : { tag: 'body' }];
    const tag = delivery.secret('signing', 'utf8', undefined).mac('sha256', message);
    return { headers: [[SIGNATURE, PREFIX + toHex(tag)], ['content-type', 'application/json']], body };
  },
};

function signatureOf(delivery) {
  const [value, ...others] = delivery.headers(SIGNATURE);
  if (value === undefined || others.length > 0) {
    throw refusal('unauthenticated', `${SIGNATURE} must be there once`);
  }
  const text = new TextDecoder().decode(value);
  const tag = text.startsWith(PREFIX) ? fromHex(text.slice(PREFIX.length)) : undefined;
  if (tag === undefined) {
    throw refusal('unauthenticated', `${SIGNATURE} is not sha256= and hex`);
  }
  return tag;
}

function secretOf(delivery) {
  try {
    return delivery.secret('signing', 'utf8', undefined);
  } catch {
    throw refusal('misconfigured', 'secrets.signing is missing');
  }
}

function fieldsOf(delivery, pointers) {
  try {
    return delivery.json(pointers);
  } catch {
    throw refusal('malformed', 'the body is no JSON');
  }
}

function textOf(value) {
  return value?.tag === 'text' && value.val !== '' ? value.val : undefined;
}

function refusal(tag, val) {
  return { tag, val };
}

function fromHex(text) {
  if (!/^([0-9a-fA-F]{2})+$/.test(text)) return undefined;
  return Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
}

function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
