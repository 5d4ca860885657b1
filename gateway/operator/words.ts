/**
 * What gateways ask each other about a person for an operator, and answer. It comes over the bus, so both are checked
 * strictly before they are believed: what has a field too many, or a number out of range, is no word of ours.
 */
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { APP_BYTES_MAX, DEVICE_ID_BYTES_MAX } from '../../protocol/limits.ts';
import { OPERATOR } from './limits.ts';
import { NewRate, RateName, RatesNow } from './rateWords.ts';

const closed = { additionalProperties: false };
const UUID = '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$';
const VERSION = 1;

const Uuid = Type.String({ pattern: UUID });
/** Names a subject, so nothing else may stand in it. */
const GatewayId = Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' });
const Whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Code = Type.Integer({ minimum: 0, maximum: 65_535 });
const Word = Type.String({ maxLength: 64 });
const DeviceId = Type.String({ minLength: 1, maxLength: DEVICE_ID_BYTES_MAX });

const head = { v: Type.Literal(VERSION), id: Uuid, from: GatewayId };

/**
 * `watch`: follow for so long; `unwatch`: end it and forget; `read`: what was seen; `look`: the sockets of a person;
 * `rates`: what a socket may say there; `rate`: what it may say from now on; `count`: those of everybody, in numbers; `where`: the network that a person's phone calls from (asked by nodes, for no
 * operator to see).
 */
export const Question = Type.Union([
  Type.Object({ ...head, ask: Type.Literal('count') }, closed),
  Type.Object({ ...head, ask: Type.Literal('rates') }, closed),
  Type.Object({ ...head, ask: Type.Literal('rate'), class: RateName, ...NewRate.properties }, closed),
  Type.Object({ ...head, ask: Type.Literal('look'), userId: Uuid }, closed),
  Type.Object({ ...head, ask: Type.Literal('where'), userId: Uuid }, closed),
  Type.Object(
    {
      ...head,
      ask: Type.Literal('watch'),
      userId: Uuid,
      leftMs: Type.Integer({ minimum: 1, maximum: OPERATOR.traceMinutesMax * 60_000 }),
    },
    closed,
  ),
  Type.Object({ ...head, ask: Type.Literal('read'), userId: Uuid }, closed),
  Type.Object({ ...head, ask: Type.Literal('unwatch'), userId: Uuid }, closed),
]);
export type Question = Static<typeof Question>;

const Socket = Type.Object(
  {
    sessionId: Uuid,
    deviceId: DeviceId,
    /** As HELLO named it. */
    app: Type.String({ maxLength: APP_BYTES_MAX }),
    connSeq: Whole,
    ageMs: Whole,
    welcomed: Type.Boolean(),
    foreground: Type.Boolean(),
    bufferedBytes: Whole,
    /** Where it stands on the ladder of slow phones. */
    rung: Type.Union([Type.Literal('keeps up'), Type.Literal('thinned'), Type.Literal('stopped')]),
    eventsBehind: Whole,
    /** Measured just now; null when the phone did not answer within a second. */
    roundTripMs: Type.Union([Type.Number({ minimum: 0, maximum: 1e9 }), Type.Null()]),
  },
  closed,
);
export type SocketView = Static<typeof Socket>;

const Close = Type.Object(
  {
    deviceId: DeviceId,
    code: Code,
    by: Type.Union([Type.Literal('server'), Type.Literal('peer')]),
    agoMs: Whole,
  },
  closed,
);
export type CloseView = Static<typeof Close>;

const Entry = Type.Object(
  {
    atMs: Whole,
    dir: Type.Union([Type.Literal('in'), Type.Literal('out')]),
    sessionId: Type.String({ maxLength: 36 }),
    type: Word,
    name: Type.Optional(Word),
    cid: Type.Optional(Whole),
    offset: Type.Optional(Whole),
    bytes: Type.Optional(Whole),
    code: Type.Optional(Code),
    sent: Type.Optional(Type.Union([Type.Literal('buffered'), Type.Literal('dropped')])),
  },
  closed,
);

const Looked = Type.Object(
  {
    sockets: Type.Array(Socket, { maxItems: 64 }),
    closes: Type.Array(Close, { maxItems: 64 }),
    watchLeftMs: Whole,
  },
  closed,
);
const Where = Type.Object(
  { ipv4: Type.Union([Type.String({ pattern: '^(\\d{1,3}\\.){3}\\d{1,3}$' }), Type.Null()]) },
  closed,
);
const Watched = Type.Object({ watching: Type.Boolean() }, closed);
const Read = Type.Object(
  { leftMs: Whole, dropped: Whole, entries: Type.Array(Entry, { maxItems: OPERATOR.traceEntries }) },
  closed,
);

const Counted = Type.Object(
  {
    /** Name and version of the node, as the cluster knows them; empty for one that is alone. */
    node: Word,
    version: Word,
    hello: Whole,
    attaching: Whole,
    open: Whole,
    background: Whole,
    thinned: Whole,
    stopped: Whole,
    bufferedBytes: Whole,
    /** The most frequent apps, as HELLO named them. */
    apps: Type.Array(
      Type.Object({ app: Type.String({ maxLength: APP_BYTES_MAX }), sockets: Whole }, closed),
      {
        maxItems: OPERATOR.appsShown,
      },
    ),
    /** Last closes of the devices that went within the last minutes. */
    closes: Type.Array(
      Type.Object(
        { code: Code, by: Type.Union([Type.Literal('server'), Type.Literal('peer')]), devices: Whole },
        closed,
      ),
      { maxItems: OPERATOR.codesShown },
    ),
  },
  closed,
);
export type CountedView = Static<typeof Counted>;

const ANSWERS = {
  count: Counted,
  rates: RatesNow,
  rate: RatesNow,
  look: Looked,
  where: Where,
  watch: Watched,
  read: Read,
  unwatch: Watched,
} as const satisfies Record<Question['ask'], TSchema>;
export type Ask = Question['ask'];
export type AnswerTo<A extends Ask> = Static<(typeof ANSWERS)[A]>;

/** From another gateway, not yet known to fit what was asked. */
const Reply = Type.Object({ ...head, answer: Type.Unknown() }, closed);
export type Reply = Static<typeof Reply>;

export const encodeWords = (words: object): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ v: VERSION, ...words }));

const parsed = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
};

/** Null when it is no question of ours. */
export const readQuestion = (bytes: Uint8Array): Question | null => {
  if (bytes.length > OPERATOR.questionBytes) return null;
  const said = parsed(bytes);
  return Value.Check(Question, said) ? said : null;
};

/** Null when it is no reply of ours; its answer is still to be checked. */
export const readReply = (bytes: Uint8Array): Reply | null => {
  if (bytes.length > OPERATOR.answerBytes) return null;
  const said = parsed(bytes);
  return Value.Check(Reply, said) ? said : null;
};

/** Null when it does not answer this. */
export const answerTo = <A extends Ask>(ask: A, answer: unknown): AnswerTo<A> | null =>
  Value.Check(ANSWERS[ask], answer) ? (answer as AnswerTo<A>) : null;
