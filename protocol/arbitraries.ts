/** Random but valid frames and bodies, for property tests here and in the gateway. */
import fc from 'fast-check';
import { COMMANDS, type CommandName, EVENTS, type EventName } from './catalogue.ts';
import type { ClientFrame, ServerFrame } from './frames.ts';
import type { Field, FieldType } from './schema.ts';

const u16 = fc.integer({ min: 0, max: 65_535 });
const u32 = fc.integer({ min: 0, max: 4_294_967_295 });
const code = fc.integer({ min: 1, max: 65_535 });
const count = fc.oneof(fc.maxSafeNat(), u32, fc.nat(300));
const i32 = fc.integer({ min: -2_147_483_648, max: 2_147_483_647 });
const uuid = fc.uuid();
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });
/** Well-formed Unicode of at most `max` UTF-8 bytes. */
const text = (max: number, min = 0): fc.Arbitrary<string> =>
  fc.string({ unit: 'binary', minLength: min, maxLength: Math.max(min, Math.floor(max / 4)) });
/** Unchecked bodies: what the walker lets through and msgpack can say without loss. */
const item = fc.oneof(
  fc.constantFrom(null, true, false),
  fc.maxSafeInteger(),
  text(100),
  fc.uint8Array({ maxLength: 40 }),
  fc.array(fc.oneof(fc.integer(), text(20)), { maxLength: 20 }),
);
const tuple = fc.array(item, { maxLength: 12 });

const anyOf = (type: FieldType): fc.Arbitrary<unknown> => {
  switch (type.t) {
    case 'bool':
      return fc.boolean();
    case 'int':
      return fc.oneof(
        fc.integer({ min: Math.max(type.min, -1000), max: Math.min(type.max, 1000) }),
        fc.integer(type),
      );
    case 'str':
      return text(type.max);
    case 'id':
      return uuid;
    case 'enum':
      return fc.constantFrom(...type.values);
    case 'list':
      return fc.array(bodyOf(type.of), { maxLength: Math.min(type.max, 4) });
  }
};

/** Any body that fits the fields. */
export const bodyOf = (fields: readonly Field[]): fc.Arbitrary<Record<string, unknown>> =>
  fc.record(
    Object.fromEntries(
      fields.map(({ name, type, optional }) => [name, optional ? orNull(anyOf(type)) : anyOf(type)]),
    ),
  );

export const commandNames = Object.keys(COMMANDS) as CommandName[];
export const eventNames = Object.keys(EVENTS) as EventName[];

const flatClientFrame: fc.Arbitrary<ClientFrame> = fc.oneof(
  fc.record({
    type: fc.constant('hello' as const),
    version: u16,
    token: text(2048),
    deviceId: text(64, 1),
    app: text(128),
    resume: orNull(fc.record({ sessionId: uuid, epoch: uuid, offset: count })),
  }),
  fc.record({
    type: fc.constant('command' as const),
    cid: fc.integer({ min: 1, max: 4_294_967_295 }),
    op: code,
    body: tuple,
    idem: orNull(uuid),
  }),
  fc.record({ type: fc.constant('ack' as const), offset: count }),
  fc.record(
    {
      type: fc.constant('location' as const),
      seq: count,
      latE7: i32,
      lngE7: i32,
      accuracyDm: u32,
      headingDeg: orNull(u16),
      speedDms: orNull(u16),
      takenAtMs: orNull(fc.integer({ min: 0, max: 4_294_967_295_999 })),
      flags: fc.integer({ min: 1, max: 4_294_967_295 }),
    },
    {
      requiredKeys: ['type', 'seq', 'latE7', 'lngE7', 'accuracyDm', 'headingDeg', 'speedDms', 'takenAtMs'],
    },
  ),
  fc.record({ type: fc.constant('ping' as const), n: count }),
  fc.record({ type: fc.constant('pong' as const), n: count }),
  fc.record({ type: fc.constant('clientState' as const), foreground: fc.boolean() }),
);

const batch = <T>(frame: fc.Arbitrary<T>): fc.Arbitrary<{ readonly type: 'batch'; readonly frames: T[] }> =>
  fc.record({ type: fc.constant('batch' as const), frames: fc.array(frame, { maxLength: 16 }) });

export const clientFrame: fc.Arbitrary<ClientFrame> = fc.oneof(
  { weight: 4, arbitrary: flatClientFrame },
  { weight: 1, arbitrary: batch(flatClientFrame) },
);

const flatServerFrame: fc.Arbitrary<ServerFrame> = fc.oneof(
  fc.record({
    type: fc.constant('welcome' as const),
    version: u16,
    sessionId: uuid,
    epoch: uuid,
    offset: count,
    resumed: fc.boolean(),
    nowMs: fc.integer({ min: 0, max: 4_294_967_295_999 }),
    config: fc.record({ pingS: u32, maxBytes: u32, tokenTtlS: u32, reconnectJitterMs: u32 }),
  }),
  fc.record({ type: fc.constant('reply' as const), cid: u32, result: tuple }),
  fc.record({
    type: fc.constant('error' as const),
    cid: u32,
    code,
    message: text(300),
    retryable: fc.boolean(),
    retryAfterMs: u32,
  }),
  fc.record({ type: fc.constant('event' as const), offset: count, kind: u16, eventId: uuid, body: tuple }),
  fc.record({
    type: fc.constant('volatile' as const),
    kind: u16,
    key: text(64),
    version: count,
    body: orNull(tuple),
  }),
  fc.record({ type: fc.constant('ping' as const), n: count }),
  fc.record({ type: fc.constant('pong' as const), n: count }),
  fc.record({
    type: fc.constant('goaway' as const),
    reason: text(100),
    deadlineMs: u32,
    delayMinMs: u32,
    delayMaxMs: u32,
    url: orNull(text(200)),
  }),
  fc.record({ type: fc.constant('tokenExpiring' as const), ttlS: u32 }),
);

export const serverFrame: fc.Arbitrary<ServerFrame> = fc.oneof(
  { weight: 4, arbitrary: flatServerFrame },
  { weight: 1, arbitrary: batch(flatServerFrame) },
);
