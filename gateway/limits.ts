/**
 * Every bound and timing of the doors, in one place, with the inequalities between them. Sources: the budgets of the
 * realtime study (anchors: Centrifugo, Discord, Colyseus, Phoenix) unless a line says otherwise.
 */
import { assert } from '../protocol/assert.ts';
import { HELLO_TIMEOUT_MS, INBOUND, OUTBOUND } from '../protocol/limits.ts';
import { assertHeartbeat } from './heartbeat.ts';

/** So many a second on average, and so many at once. */
export interface Rate {
  readonly perS: number;
  readonly burst: number;
}

/** Buckets of one socket. `other` is everything that is neither a position nor a command. */
export interface SessionRates {
  readonly location: Rate;
  readonly command: Rate;
  readonly auth: Rate;
  readonly qr: Rate;
  readonly other: Rate;
}

/** Buckets of the REST doors. */
export interface RestRates {
  /** Password checks and sign-ups per remote address: generous, for many people behind one address. */
  readonly address: Rate;
  /** Failed passwords per handle and address: what slows a guesser down without locking anybody out. */
  readonly handle: Rate;
  /** Codes of one person: a new one is shown each 15 s. */
  readonly code: Rate;
  /** Pictures of codes of everybody at this node: a PNG is 3 ms of its time (`npm run bench -- qr`). */
  readonly picture: Rate;
}

export interface Rates {
  readonly session: SessionRates;
  readonly rest: RestRates;
}

export const RATES: Rates = {
  session: {
    location: { perS: 2, burst: 5 },
    command: { perS: 20, burst: 40 },
    auth: { perS: 5 / 60, burst: 5 },
    qr: { perS: 1, burst: 5 },
    other: { perS: 10, burst: 50 },
  },
  rest: {
    address: { perS: 10, burst: 200 },
    handle: { perS: 5 / 60, burst: 10 },
    code: { perS: 1, burst: 10 },
    picture: { perS: 30, burst: 60 },
  },
};

export const LIMITS = {
  /** Public size of one message; above it the socket is closed with 1009. */
  inboundBytes: INBOUND.bytes,
  /** The transport cuts the connection above this, without a close frame. */
  transportBytes: 16_384,
  /** The ladder. Buffered towards a phone: above this, volatile frames go out with every second tick only. */
  thinBufferBytes: 16_384,
  /**
   * Above this, volatile frames stop, and the next event, answer or look at it (`sampleMs`) closes the socket with 4102:
   * what was missed is replayed from the outbox.
   */
  closeBufferBytes: 65_536,
  /** The transport drops frames, close frames too, above this. */
  hardBufferBytes: 262_144,
  /** Events given to a phone since it stopped taking everything; one more closes the socket with 4102. */
  eventsBehind: 64,
  sampleMs: 1_000,
  /** Sockets closed for it in one look: each costs some microseconds that the others wait. */
  lettingGo: 500,
  /** Volatile frames that wait for one socket: newest version of so many things, so many bytes in all. */
  volatileKeys: 64,
  volatileBytes: 32_768,
  /** Things of which the version is known to one socket, so that no older one is said late. */
  volatileKnown: 128,
  /** Memory of frames that waited, kept for the next ones. */
  spareBytes: 8_388_608,
  /** They go out this often, to a phone whose app is in the background this often. */
  flushMs: 100,
  backgroundFlushMs: 2_000,
  /** One BATCH of them. */
  batchBytes: 4_096,
  /** Sockets of one gateway; more are refused with HTTP 503 before the upgrade. */
  socketsMax: 100_000,
  /** Attaches asked at once: a waking actor is read from the store. More wait in a queue; above it, close with 1013. */
  attachingMax: 1_024,
  attachQueue: 8_000,
  /** Addresses and users whose buckets are remembered although no socket of theirs is open. */
  metersMax: 20_000,
  meterSweepMs: 1_000,
  /** Revocations are read this often; each gateway knows of one within this, the bus or not. */
  revocationPollMs: 400,
  revocationPruneMs: 60_000,
  /** Those that the store did not take yet. */
  revocationsUnstored: 10_000,
  /** A revocation is kept for longer than its tokens by this. */
  revocationSpareMs: 60_000,
  /** Clocks of those who issue and those who verify tokens may differ by this much. */
  clockSkewMs: 5_000,
  /** The files of TLS_CERT and TLS_KEY are looked at this often. */
  tlsLookMs: 2_000,
  /** Frames that wait while actors have their turns; more go out in the middle of them. */
  heldFrames: 256,
  /** Events that wait for WELCOME. */
  queuedPushes: 64,
  queuedBytes: 65_536,
  helloMs: HELLO_TIMEOUT_MS,
  attachMs: 4_500,
  /**
   * A phone whose actor is between two nodes is kept waiting for so long, asking again in between, instead of being sent
   * away into its backoff: longer than a node takes to be replaced, shorter than a client waits for WELCOME (10 s).
   */
  attachTotalMs: 8_500,
  /** At a node that knows that it is cut off from the others: there are nodes that are not. */
  attachCutOffMs: 2_000,
  attachRetryMs: 250,
  /** Sessions that are asked at once whether their actor still knows them, after it moved without a hand-over. */
  probing: 128,
  probeMs: 3_000,
  /** Asked in vain so often, a session is closed: its phone comes back and finds out for itself. */
  probesMax: 10,
  commandMs: 3_000,
  /** A command that was proven not executed is asked for once more: not sooner, not with less time, not more at once. */
  commandAgainMs: 100,
  commandLeftMs: 250,
  commandsAgain: 1_024,
  /** A session ends itself after so long, spread by this share both ways, so that new nodes get their part. */
  ageMs: 3_600_000,
  ageSpread: 0.2,
  /** From GOAWAY to the close of a socket that stays. */
  goawayMs: 10_000,
  /** Phones wait up to so long before they follow a GOAWAY. */
  goawaySpreadMs: 500,
  /** GOAWAY is said to a part of the phones so often. */
  drainTickMs: 250,
  /**
   * Phones that one node can welcome a second, where it takes as many handshakes (HEYBLUE_HANDSHAKE_RATE); a drain sends each
   * of the others this share of it while time allows. Shards move meanwhile, and where all nodes share two cores half of it
   * made the moves twice as slow as a seventh.
   */
  attachPerS: 1_000,
  drainShare: 0.16,
  /** Never more than this, however short the time is: phones come from elsewhere, too. */
  drainShareMax: 0.5,
  /** The same while shards are being handed over. */
  drainShareBeside: 0.04,
  /** Deadlines of HELLO are looked at this often, and of this share of the open sessions, but of so many at least. */
  sweepMs: 500,
  sweepShare: 0.2,
  sweepAtLeast: 256,
  /**
   * The transport cuts off a peer that was not heard of for so long, and pings it 16 s before (its margin for 32 s and
   * more; it counts in steps of 4 s). Measured: a ping after 20 to 24 s of silence, the end after 37 to 40 s, whatever is
   * said to the peer meanwhile. 8 to 960.
   */
  idleTimeoutS: 40,
  /** How often a client should ping. */
  pingS: 25,
  tokenTtlS: 900,
  /** Share of a token's life after which the client is asked for a new one. */
  tokenWarnShare: 0.8,
  /** A token may be late by this much before the socket is closed with 4101. */
  tokenGraceMs: 25_000,
  /** Refusals for rate within the window before the socket is closed with 4103. */
  strikes: 3,
  strikeWindowMs: 10_000,
  /**
   * Clients spread their return over this long after a restart: so that no more come a second than one node can welcome, of
   * the several that are left. Below the 30 s after which somebody counts as gone.
   */
  reconnectJitterMinMs: 500,
  reconnectJitterMs: 20_000,
  /** Where nobody else is there, phones come back over so long at least: it takes a while until we are back. */
  backAgainMs: 5_000,
  /** A gateway that ends closes so many sockets at once, or this share of those that are left. */
  closing: 500,
  closingShare: 0.125,
  /** The actor of an account that moved to another device is told again until it has answered. */
  movedAttempts: 20,
  movedAgainMs: 1_000,
  /** Sign-in doors: password hashes at work at once (19 MiB each), and waiting. */
  hashing: 2,
  hashingWaiting: 256,
  /** Further devices of an account that may have several; five are attached at once. */
  devicesLinkedMax: 31,
  /** Body of a REST request. */
  restBytes: 16_384,
  restRequestMs: 15_000,
  /** Addresses, handles and idempotency keys that the REST doors remember. */
  remembered: 20_000,
  /** How long the answer to an idempotency key is remembered. */
  idempotencyMs: 86_400_000,
  page: 50,
  /** Rows of each list in the copy of what is kept of a person. */
  exportRows: 10_000,
  pageMax: 100,
  /** Units of one redemption, and of an offer that one person may have: what a position of a command can say. */
  unitsMax: 65_535,
  /** Price of one unit; with as many units as may be, still a whole number. */
  offerPointsMax: 1_000_000_000,
  /** Units that one movement of stock may bring or take. */
  stockMax: 1_000_000_000,
  /** Days that one report spans. */
  reportDaysMax: 92,
  reportDays: 30,
  /** Rows of a day that one statement reads. */
  settledRows: 5_000,
} as const;

/** What all sockets of one user may say together, in what one may: several devices are not used at the same moment. */
export const USER_SHARE = 2;

/** What all sockets of one address may say together, in what each of its sockets may (`perAddress`). */
export const ADDRESS_SHARE: { readonly [K in keyof SessionRates]: number } = {
  location: 0.5,
  command: 0.1,
  auth: 0.1,
  qr: 0.2,
  other: 0.2,
};

/** What one network address may do; all of it follows from the sockets that it may hold. */
export interface AddressLimits {
  readonly sockets: number;
  /** Sockets that have not shown a token yet. */
  readonly unauthenticated: number;
  /** Connections that have not sent a whole request, and handshakes whose token is being verified. */
  readonly handshaking: number;
  readonly handshakes: Rate;
}

/** 200 sockets: 20 without a token, 64 handshakes under way, 20 handshakes a second and 200 at once. */
export const addressLimits = (sockets: number): AddressLimits => ({
  sockets,
  unauthenticated: Math.max(Math.min(sockets, 20), Math.ceil(sockets / 10)),
  handshaking: Math.max(Math.min(sockets, 64), Math.ceil(sockets * 0.32)),
  handshakes: { perS: Math.max(2, sockets / 10), burst: Math.max(20, sockets) },
});

/** Milliseconds over which the clients of a gateway with so many sockets spread their return, so many a second. */
export const returnMs = (sockets: number, perS: number): number =>
  Math.min(
    LIMITS.reconnectJitterMs,
    Math.max(LIMITS.reconnectJitterMinMs, Math.ceil((sockets * 1_000) / perS)),
  );

/** Checked once at start: a typo in the table above stops the node instead of bending a promise. */
export function assertLimits(): void {
  const l = LIMITS;
  assert(l.attachingMax < l.attachQueue, 'a crowd may wait');
  assert(l.revocationPollMs * 2 < 1_000, 'a revocation holds within a second');
  assert(l.clockSkewMs < l.revocationSpareMs, 'a revocation outlives its tokens');
  assert(l.inboundBytes < l.transportBytes, 'our own close code comes before the transport cuts');
  assert(l.thinBufferBytes < l.closeBufferBytes, 'volatile frames are thinned before a phone is let go');
  // At worst: just below the rung, then all that waited for WELCOME, a replay or snapshot, and one frame more.
  assert(
    l.closeBufferBytes + l.queuedBytes + l.volatileBytes + OUTBOUND.bytes < l.hardBufferBytes,
    'the close frame still fits',
  );
  assert(l.backgroundFlushMs % l.flushMs === 0, 'one timer flushes all');
  assert(l.volatileKeys < l.volatileKnown, 'the version of what was lost stays known');
  assert(l.batchBytes < l.thinBufferBytes, 'a batch is not a rung of the ladder');
  assert(l.sampleMs % l.sweepMs === 0, 'what is buffered is looked at in a sweep');
  assert(l.commandAgainMs + l.commandLeftMs < l.commandMs, 'there is time to ask again');
  assert(l.drainShareBeside <= l.drainShare && l.drainShare <= l.drainShareMax, 'the others can take it');
  assert(l.drainShareMax <= 0.5, 'the others can take it beside their own');
  assert(l.goawaySpreadMs * 2 < l.goawayMs, 'phones have time to follow');
  assert(l.ageSpread > 0 && l.ageSpread < 1, 'a share');
  assertHeartbeat(l.idleTimeoutS, l.pingS);
  assert(l.commandMs < l.attachMs, 'waking an actor may take longer than asking it');
  assert(l.attachMs < l.attachTotalMs, 'an attach is asked for more than once');
  assert(l.reconnectJitterMinMs < l.reconnectJitterMs, 'more phones need more time');
  assert(l.backAgainMs <= l.reconnectJitterMs, 'whoever waits for us waits no longer than the others');
  assert(l.sweepMs * 2 <= l.helloMs, 'deadlines are seen in time');
  assert(l.tokenTtlS * 1_000 * (1 - l.tokenWarnShare) > 2 * l.tokenGraceMs, 'there is time to renew');
  assert(l.tokenWarnShare > 0 && l.tokenWarnShare < 1, 'a share');
  assert(l.page <= l.pageMax, 'the default page is a permitted one');
  assert(Number.isSafeInteger(l.offerPointsMax * l.unitsMax), 'a redemption has a whole number of points');
  assert(l.reportDays <= l.reportDaysMax, 'the default report is a permitted one');
}
