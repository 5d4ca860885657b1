/**
 * One example of everything that can be said, with its bytes. Clients in other languages test themselves against the
 * generated `generated/vectors.json`; the fuzzer mutates them; the protocol page shows them.
 */

import { encodeBody } from './body.ts';
import {
  COMMANDS,
  type Command,
  type CommandName,
  EVENTS,
  type Event,
  type EventName,
  PROTOCOL_VERSION,
} from './catalogue.ts';
import { decodeClientFrame, decodeServerFrame, encodeClientFrame, encodeServerFrame } from './codec.ts';
import { ERROR } from './errors.ts';
import { type ClientFrame, FIX_FLAG, type Location, type ServerFrame } from './frames.ts';
import { bytesToUuid } from './ids.ts';
import type { Field, FieldType } from './schema.ts';

export interface Golden {
  /** `LOCATION`, `hey.say`, `reply to hey.say`, … */
  readonly name: string;
  readonly from: 'client' | 'server';
  readonly frame: ClientFrame | ServerFrame;
  /** The body with names, where the frame carries one. */
  readonly body: Record<string, unknown> | null;
  readonly bytes: Uint8Array;
}

/** Ids of the examples: version 7, made at the same moment, told apart by their last byte. */
export const exampleId = (n: number): string => {
  const bytes = Uint8Array.from([
    1,
    0x9d,
    0x6b,
    0x3a,
    0x40,
    0,
    0x7a,
    0x11,
    0x8b,
    0x22,
    0x33,
    0x44,
    0x55,
    0x66,
    0x77,
    n,
  ]);
  return bytesToUuid(bytes);
};

const AT_S = 1_795_000_000;
/** Shaped like an access token, and none. */
const JWT = 'eyJhbGciOiJFZERTQSJ9.e30.c2ln';

/** What the fields of the examples hold, by name; the others hold something of their type. */
const EXAMPLES: Readonly<Record<string, unknown>> = {
  token: 'HB1:LC2QO9W953KSN5EP+0HFVZ6S96O200P7VQWK%U3F/F ET BAJX7SBJ',
  ttlS: 900,
  untilS: AT_S + 900,
  sharingUntilS: AT_S + 900,
  expiresS: AT_S + 45,
  atS: AT_S,
  points: 10,
  delta: -25,
  balance: 4_294_967_306,
  balanceVersion: 7,
  encounterCount: 7,
  handle: 'Officer Zoë',
  otherHandle: 'Officer Zoë',
  civilianHandle: 'sam',
  message: 'Thank you for saying hello!',
  reason: 'rule gift 1',
  cell: 'r100439553',
  periodS: 15,
  lastSeenMin: Math.floor(AT_S / 60),
  officerId: exampleId(2),
  heyId: exampleId(3),
  encounterId: exampleId(4),
  transferId: exampleId(5),
  redemptionId: exampleId(11),
  offerId: exampleId(12),
  title: 'Coffee and a bun',
  code: '7K2MWX9Q',
  qr: 'HBR1.019D6B3A-4000-7A11-8B22-33445566770D.7K2MWX9Q',
  till: 'till-1',
  quantity: 2,
  reserved: 10,
  left: 3,
  feeId: exampleId(6),
  userId: exampleId(1),
};

const exampleOfType = (type: FieldType, name: string): unknown => {
  const known = EXAMPLES[name];
  switch (type.t) {
    case 'bool':
      return true;
    case 'int':
      return known ?? 1;
    case 'str':
      return known ?? name;
    case 'id':
      return known ?? exampleId(9);
    case 'enum':
      return type.values[type.values.length > 1 ? 1 : 0];
    case 'list':
      return [exampleOf(type.of)];
  }
};

/** A body that fits the fields and reads well. */
export const exampleOf = (fields: readonly Field[]): Record<string, unknown> =>
  Object.fromEntries(fields.map(({ name, type }) => [name, exampleOfType(type, name)]));

const LOCATION: Location = {
  seq: 42,
  latE7: 407_127_753,
  lngE7: -740_059_728,
  accuracyDm: 80,
  headingDeg: 271,
  speedDms: 14,
  takenAtMs: AT_S * 1000 + 250,
};

const clientFrames: readonly (readonly [string, ClientFrame])[] = [
  [
    'HELLO',
    {
      type: 'hello',
      version: PROTOCOL_VERSION,
      token: JWT,
      deviceId: 'phone-of-sam',
      app: 'example/1.0',
      resume: null,
    },
  ],
  [
    'HELLO that resumes',
    {
      type: 'hello',
      version: PROTOCOL_VERSION,
      token: JWT,
      deviceId: 'phone-of-sam',
      app: 'example/1.0',
      resume: { sessionId: exampleId(6), epoch: exampleId(7), offset: 17 },
    },
  ],
  ['LOCATION', { type: 'location', ...LOCATION }],
  [
    'LOCATION with nothing optional',
    { type: 'location', ...LOCATION, seq: 43, headingDeg: null, speedDms: null, takenAtMs: null },
  ],
  ['LOCATION that is simulated', { type: 'location', ...LOCATION, seq: 45, flags: FIX_FLAG.simulated }],
  ['ACK', { type: 'ack', offset: 17 }],
  ['PING', { type: 'ping', n: 3 }],
  ['PONG', { type: 'pong', n: 3 }],
  ['CLIENT STATE', { type: 'clientState', foreground: true }],
  [
    'BATCH',
    {
      type: 'batch',
      frames: [
        { type: 'ack', offset: 18 },
        { type: 'location', ...LOCATION, seq: 44 },
      ],
    },
  ],
];

const serverFrames: readonly (readonly [string, ServerFrame])[] = [
  [
    'WELCOME',
    {
      type: 'welcome',
      version: PROTOCOL_VERSION,
      sessionId: exampleId(6),
      epoch: exampleId(7),
      offset: 17,
      resumed: false,
      nowMs: AT_S * 1000 + 321,
      config: { pingS: 25, maxBytes: 8_192, tokenTtlS: 900, reconnectJitterMs: 5_000 },
    },
  ],
  [
    'ERROR',
    {
      type: 'error',
      cid: 7,
      code: ERROR.rateLimited,
      message: 'too many commands',
      retryable: true,
      retryAfterMs: 250,
    },
  ],
  ['PING', { type: 'ping', n: 3 }],
  ['PONG', { type: 'pong', n: 3 }],
  [
    'GOAWAY',
    { type: 'goaway', reason: 'restart', deadlineMs: 20_000, delayMinMs: 0, delayMaxMs: 5_000, url: null },
  ],
  ['TOKEN EXPIRING', { type: 'tokenExpiring', ttlS: 180 }],
  [
    'BATCH',
    {
      type: 'batch',
      frames: [
        { type: 'pong', n: 4 },
        { type: 'tokenExpiring', ttlS: 180 },
      ],
    },
  ],
];

const client = (name: string, frame: ClientFrame, body: Record<string, unknown> | null): Golden => {
  const bytes = encodeClientFrame(frame);
  return { name, from: 'client', frame: decodeClientFrame(bytes), body, bytes };
};
const server = (name: string, frame: ServerFrame, body: Record<string, unknown> | null): Golden => {
  const bytes = encodeServerFrame(frame);
  return { name, from: 'server', frame: decodeServerFrame(bytes), body, bytes };
};

/** The example of a command: cid 7, with an idempotency key when it needs one. */
export const goldenCommand = (name: CommandName): Golden => {
  const { code: op, body: fields, mutates } = COMMANDS[name] as Command;
  const body = name === 'auth.refresh' ? { token: JWT } : exampleOf(fields);
  const idem = mutates ? exampleId(8) : null;
  return client(name, { type: 'command', cid: 7, op, body: encodeBody(fields, body as never), idem }, body);
};

/** The example of its reply. */
export const goldenReply = (name: CommandName): Golden => {
  const { result: fields } = COMMANDS[name] as Command;
  const body = exampleOf(fields);
  const result = encodeBody(fields, body as never);
  return server(`reply to ${name}`, { type: 'reply', cid: 7, result }, body);
};

/** The example of an event or of a volatile frame. */
export const goldenEvent = (name: EventName): Golden => {
  const { code: kind, body: fields, durable } = EVENTS[name] as Event;
  const body = exampleOf(fields);
  const tuple = encodeBody(fields, body as never);
  if (durable)
    return server(name, { type: 'event', offset: 18, kind, eventId: exampleId(10), body: tuple }, body);
  const { cell, placeId = name === 'peer.presence' ? exampleId(3) : '' } = body;
  const key = String(cell ?? placeId);
  return server(name, { type: 'volatile', kind, key, version: 42, body: tuple }, body);
};

/** Everything, in the order of the page. */
export const goldens = (): Golden[] => [
  ...clientFrames.map(([name, frame]) => client(name, frame, null)),
  ...(Object.keys(COMMANDS) as CommandName[]).map(goldenCommand),
  ...serverFrames.map(([name, frame]) => server(name, frame, null)),
  ...(Object.keys(COMMANDS) as CommandName[]).map(goldenReply),
  ...(Object.keys(EVENTS) as EventName[]).map(goldenEvent),
  server(
    'area.officers that is gone',
    { type: 'volatile', kind: 40, key: 'r100439553', version: 43, body: null },
    null,
  ),
];

/** One named frame of a direction. */
export const goldenNamed = (from: 'client' | 'server', name: string): Golden => {
  const found = goldens().find(golden => golden.from === from && golden.name === name);
  if (found === undefined) throw new RangeError(`there is no example ${name}`);
  return found;
};

/** Bytes that a server must refuse, and why. */
export const REFUSED: readonly (readonly [what: string, hex: string, why: string])[] = [
  ['bytes after the frame', '92040100', 'trailing'],
  ['a frame that ends too early', '9204cd00', 'truncated'],
  ['a frame number that is not in the table', '920a01', 'unknown'],
  ['a frame that is not an array', '810401', 'shape'],
  ['an integer over 2^53', '9204cf0020000000000000', 'number'],
  ['a coordinate that is NaN', '950301cb7ff80000000000000203', 'number'],
  ['a coordinate in degrees', '950301cb40445b22d0e560420203', 'shape'],
  ['a timestamp extension', '9401010191d6ff00000000', 'forbidden'],
  ['text that is not UTF-8', '9401010191a2c0af', 'utf8'],
  ['an array that claims four billion items', 'ddffffffff04', 'length'],
  ['nine containers inside each other', '940101019191919191919191c0', 'depth'],
];
