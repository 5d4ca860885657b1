/** The conversation on the protocol page: a civilian connects, says hey, and earns. */
import { COMMANDS, EVENTS, PROTOCOL_VERSION } from '../catalogue.ts';
import { encodeClientFrame, encodeServerFrame } from '../codec.ts';
import { exampleId } from '../golden.ts';
import { encodeCommand, encodeEvent, encodeReply, encodeVolatile } from '../messages.ts';

export interface Line {
  readonly from: 'client' | 'server';
  readonly note: string;
  readonly bytes: Uint8Array;
}

const SAM = exampleId(1);
const ZOE = exampleId(2);
const HEY = exampleId(3);
const ENCOUNTER = exampleId(4);
const SESSION = exampleId(6);
const EPOCH = exampleId(7);
const AT_S = 1_795_000_000;

const snapshot = encodeEvent('snapshot', 0, exampleId(20), {
  userId: SAM,
  kind: 'civilian',
  handle: 'sam',
  sharing: true,
  sharingUntilS: 0,
  instant: false,
  balance: 0,
  balanceVersion: 0,
  encounterCount: 0,
  encounters: [],
  mode: 'precise',
  hub: null,
  reserved: 0,
  redemptions: [],
});

const completed = encodeEvent('encounter.completed', 1, exampleId(21), {
  encounterId: ENCOUNTER,
  method: 'hey',
  otherHandle: 'zoe',
  points: 10,
  atS: AT_S + 9,
  balance: 10,
  balanceVersion: 1,
  message: 'Thanks for saying hello.',
});

export const TRANSCRIPT: readonly Line[] = [
  {
    from: 'client',
    note: 'HELLO with the token of section 1 (a real token is longer), nothing to resume',
    bytes: encodeClientFrame({
      type: 'hello',
      version: PROTOCOL_VERSION,
      token: 'eyJhbGciOiJFZERTQSJ9.e30.c2ln',
      deviceId: 'phone-of-sam',
      app: 'example/1.0',
      resume: null,
    }),
  },
  {
    from: 'server',
    note: 'WELCOME: not resumed, no event so far, send something every 25 s',
    bytes: encodeServerFrame({
      type: 'welcome',
      version: PROTOCOL_VERSION,
      sessionId: SESSION,
      epoch: EPOCH,
      offset: 0,
      resumed: false,
      nowMs: AT_S * 1000 + 321,
      config: { pingS: 25, maxBytes: 8_192, tokenTtlS: 900, reconnectJitterMs: 5_000 },
    }),
  },
  {
    from: 'server',
    note: `EVENT snapshot (kind ${EVENTS.snapshot.code}): sam, who shares as every new civilian does, no points yet`,
    bytes: snapshot,
  },
  {
    from: 'client',
    note: 'LOCATION number 1: New York, accurate to 8 m, taken now',
    bytes: encodeClientFrame({
      type: 'location',
      seq: 1,
      latE7: 407_127_753,
      lngE7: -740_059_728,
      accuracyDm: 80,
      headingDeg: null,
      speedDms: null,
      takenAtMs: null,
    }),
  },
  {
    from: 'server',
    note: 'VOLATILE report.next of position 1: no officer is known yet, the next one after 300 s',
    bytes: encodeVolatile('report.next', '', 1, { periodS: 300 }),
  },
  {
    from: 'server',
    note: 'VOLATILE area.officers: one officer shares in this coarse cell',
    bytes: encodeVolatile('area.officers', 'r100439553', AT_S * 1000 + 402, {
      cell: 'r100439553',
      officers: [{ officerId: ZOE, handle: 'zoe' }],
    }),
  },
  {
    from: 'client',
    note: `COMMAND hey.say (op ${COMMANDS['hey.say'].code}) to that officer, with a fresh key`,
    bytes: encodeCommand('hey.say', 1, { officerId: ZOE }, exampleId(32)),
  },
  {
    from: 'server',
    note: 'REPLY: the hey, and when it is over',
    bytes: encodeReply('hey.say', 1, { heyId: HEY, expiresS: AT_S + 60 }),
  },
  {
    from: 'server',
    note: 'EVENT encounter.completed, offset 1: she accepted, 10 points are in the ledger',
    bytes: completed,
  },
  { from: 'client', note: 'ACK of it', bytes: encodeClientFrame({ type: 'ack', offset: 1 }) },
  {
    from: 'client',
    note: 'PING, after a while of silence',
    bytes: encodeClientFrame({ type: 'ping', n: 1 }),
  },
  { from: 'server', note: 'PONG', bytes: encodeServerFrame({ type: 'pong', n: 1 }) },
];
