/** What goes in and out of the REST doors: one schema gives the type, the check and the document. */
import { Type } from 'typebox';
import { ACCOUNT_KINDS, METHODS } from '../../protocol/catalogue.ts';
import { DEVICE_ID_BYTES_MAX } from '../../protocol/limits.ts';
import { QR_SCALE_MAX, QR_SCALE_MIN } from '../../protocol/qrImage.ts';
import { TOKEN_KINDS, type TokenKind } from '../../protocol/token.ts';
import { LIMITS } from '../limits.ts';

const closed = { additionalProperties: false };
const UUID = '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$';

export const Id = Type.String({ pattern: UUID, description: 'UUID' });
const Points = Type.Integer({ description: 'Whole points.' });
const AtMs = Type.Integer({ description: 'Unix milliseconds of the database clock.' });

const Handle = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{2,31}$',
  description: 'Display handle: 3 to 32 letters, digits, dots, dashes, underscores; kept in lower case.',
});
const Password = Type.String({ minLength: 8, maxLength: 128, description: 'At least 8 characters.' });
const DeviceId = Type.String({
  pattern: `^[\\x21-\\x7e]{1,${DEVICE_ID_BYTES_MAX}}$`,
  description:
    'Chosen by the app once per installation. One device per person; organisations may have several.',
});

export const SignUp = Type.Object(
  {
    kind: Type.Enum([...ACCOUNT_KINDS], {
      description: 'Account kind. `operator` cannot be signed up here.',
    }),
    handle: Handle,
    password: Password,
    deviceId: DeviceId,
    zip: Type.Optional(Type.String({ pattern: '^[0-9]{5}(-[0-9]{4})?$', description: 'Postal code.' })),
    badge: Type.Optional(
      Type.String({
        pattern: '^[^\\x00-\\x1f\\x7f]{1,64}$',
        description: 'Badge number; required of officers, refused of others.',
      }),
    ),
  },
  closed,
);
export const SignIn = Type.Object({ handle: Handle, password: Password, deviceId: DeviceId }, closed);

export const Token = Type.Object({
  userId: Id,
  accessToken: Type.String({ description: 'JWT for `Authorization: Bearer` and for HELLO.' }),
  expiresInS: Type.Integer({ description: 'Seconds that it lives.' }),
});

export const Me = Type.Object({
  userId: Id,
  kind: Type.Enum([...ACCOUNT_KINDS]),
  handle: Type.String(),
  zip: Type.Union([Type.String(), Type.Null()]),
  createdAtMs: AtMs,
});
export const Devices = Type.Object({
  items: Type.Array(
    Type.Object({
      deviceId: Type.String(),
      app: Type.Union([Type.String(), Type.Null()], { description: 'Name and version of the app.' }),
      firstSeenMs: Type.Integer({ description: 'Unix milliseconds.' }),
      lastSeenMs: Type.Integer({
        description: 'Unix milliseconds; a minute exact, less while it stays connected.',
      }),
      current: Type.Boolean({ description: 'The device that asks.' }),
    }),
  ),
});
export const Balance = Type.Object({
  balance: Points,
  version: Type.Integer({ description: 'Rises with every movement of the account.' }),
  inactive: Type.Optional(
    Type.Integer({
      description:
        'Points of the balance that were earned and may not be spent yet; absent where they may at once.',
    }),
  ),
  expiring: Type.Optional(
    Type.Object(
      { points: Points, atMs: Type.Integer({ description: 'Unix milliseconds.' }) },
      { description: 'What expires next unless it is spent, and when; absent where points do not expire.' },
    ),
  ),
});
export const BalanceThen = Type.Object({
  balance: Points,
  at: Type.String({ description: 'The moment that was asked for, UTC.' }),
});
export const Moment = Type.Object(
  {
    at: Type.Optional(
      Type.String({
        pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d(:\\d\\d(\\.\\d{1,3})?)?(Z|[+-]\\d\\d:\\d\\d)$',
        description: 'A moment of the past, ISO 8601 with its zone: `2026-11-21T18:00:00Z`. Default: now.',
      }),
    ),
  },
  closed,
);
export const Officer = Type.Object({
  handle: Type.String(),
  encounterCount: Type.Integer({ description: 'Encounters ever.' }),
});

export const Page = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: LIMITS.pageMax, description: `Default ${LIMITS.page}.` }),
    ),
    before: Type.Optional(Type.String({ pattern: UUID, description: '`next` of the page before.' })),
  },
  closed,
);
export const Next = Type.Union([Id, Type.Null()], {
  description: 'Give it as `before`; null on the last page.',
});

/** A page and where the next one begins. One more than asked for is read, to know whether there is one. */
export const pageOf = <T extends { readonly id: string }>(rows: readonly T[], limit: number) => {
  const items = rows.slice(0, limit);
  return { items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
};

export const Transactions = Type.Object({
  items: Type.Array(
    Type.Object({
      id: Id,
      reason: Type.String(),
      delta: Points,
      balance: Points,
      rule: Type.String({ description: 'Rule and version that moved the points.' }),
      atMs: AtMs,
    }),
  ),
  next: Next,
});
export const Encounters = Type.Object({
  items: Type.Array(
    Type.Object({
      id: Id,
      method: Type.String({ description: `How it was proved: ${METHODS.join(', ')}.` }),
      otherHandle: Type.String(),
      points: Points,
      atMs: AtMs,
    }),
  ),
  next: Next,
});

export const QrQuery = Type.Object(
  { format: Type.Optional(Type.Enum(['svg', 'png', 'text'], { description: 'Default svg.' })) },
  closed,
);
export const Qr = Type.Object({
  token: Type.String({ description: 'The HB1 text inside the code.' }),
  expiresS: Type.Integer({ description: 'Unix second of its end.' }),
  format: Type.Enum(['svg', 'png', 'text']),
  image: Type.String({ description: 'Data URL in base64; for `text` the drawing for a terminal.' }),
});

/** Of a PNG: pixels per module. */
export const QrScale = Type.Object(
  {
    scale: Type.Optional(
      Type.Integer({
        minimum: QR_SCALE_MIN,
        maximum: QR_SCALE_MAX,
        description: 'Pixels per module, default 8.',
      }),
    ),
  },
  closed,
);
export const Book = Type.Object({
  kind: Type.Enum([...Object.keys(TOKEN_KINDS)] as TokenKind[]),
  kid: Type.Integer({ description: 'Byte 1 of every token.' }),
  key: Type.String({ description: 'Key of the device, 32 bytes in hexadecimal digits.' }),
  handles: Type.Array(
    Type.Object({
      day: Type.Integer({ description: 'Whole days (UTC) since 1970.' }),
      handle: Type.String({ description: 'Bytes 2 to 9 of every token of that day, in hexadecimal digits.' }),
    }),
  ),
});

export const Jwks = Type.Object({
  keys: Type.Array(
    Type.Object({
      kty: Type.String(),
      crv: Type.String(),
      x: Type.String(),
      kid: Type.String(),
      alg: Type.String(),
      use: Type.String(),
    }),
  ),
});

/** `Idempotency-Key`, as text of the caller's choice. */
export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 128,
      description: 'Repeat a request with the same key to get the first answer again.',
    }),
  ),
});
