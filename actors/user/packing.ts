/**
 * A user actor as plain values and back, when its shard moves to another node in good order: sessions, the ring of
 * events, the position, heys, codes and answers go along, so that nobody notices.
 *
 * The runtime packs an actor that waits for nothing (no answer, no commit). Should a command be under way all the same,
 * whoever asked is told that the outcome is not known: a repeat with its key finds it. A route follows from the position,
 * so only the position travels.
 */
import { ACCOUNT_KINDS, METHODS } from '../../protocol/catalogue.ts';
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';
import { routeFix, type Track } from '../geo/publish.ts';
import { insistAgain } from '../insist.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { FixMessage } from '../messages/region.ts';
import type { Fix, OfficerRef, PersonRef } from '../messages/user.ts';
import * as read from '../packed.ts';
import type { Movement } from '../queries.ts';
import type { MeetRules } from '../rules.ts';
import type { ReplyTo, Turn } from '../turn.ts';
import type { Area, CommandDone, Hey, PendingScan, Scan, Session, UserState } from './state.ts';
import { watchGap } from './stream.ts';

const VERSION = 2;
const MANY = 1_024;
const PARTIES = ['civilian', 'officer'] as const;

export function packUser(state: UserState): unknown {
  const { underWay, outbox, track, crediting, pending, ...plain } = state;
  const { epoch, lineage, others, offset, ring } = outbox;
  return {
    v: VERSION,
    ...plain,
    outbox: { epoch, lineage, others, offset, ring },
    track: track?.fix ?? null,
    crediting: read.packInsisting(crediting),
    pending: pending.map(({ settling: _, replyTo: __, ...scan }) => scan),
    open: Object.values(underWay).flatMap(command => command.replyTo),
  };
}

/** The state; its timers are armed again, and who asked for what cannot go on is told. */
export function unpackUser(id: string, packed: unknown, rules: MeetRules, turn: Turn): Result<UserState> {
  const result = read.reading(() => stateOf(id, read.versioned(packed, VERSION), rules));
  if (!result.ok) return result;
  let { state } = result.value;
  for (const to of result.value.open) turn.reply(UNKNOWN, to);
  for (const { heyId, expiresAtMs } of state.heys) {
    turn.timer(`hey:${heyId}`, Math.max(0, expiresAtMs - turn.nowMs), { type: 'heyTimeout', heyId });
  }
  if (state.ahead.length > 0) watchGap(turn);
  if (state.sessions.length === 0) turn.timer('gone', ACTOR_LIMITS.goneMs, { type: 'gone' });
  for (const key of Object.keys(state.crediting)) {
    state = { ...state, crediting: insistAgain(state.crediting, key, turn) };
  }
  return { ok: true, value: state };
}

const UNKNOWN = refuse(ERROR.timeout, 'the outcome is not known, try again');

function stateOf(
  id: string,
  packed: read.Fields,
  rules: MeetRules,
): { state: UserState; open: readonly ReplyTo[] } {
  const me = read.fields(packed.me);
  const kind = read.oneOf(me.kind, ACCOUNT_KINDS);
  const state: UserState = {
    me: {
      id: read.oneOf(me.id, [id]),
      kind,
      handle: read.text(me.handle),
      number: read.whole(me.number),
      deviceId: read.text(me.deviceId),
      deviceNumber: read.whole(me.deviceNumber),
    },
    balance: read.whole(packed.balance, Number.MIN_SAFE_INTEGER),
    balanceVersion: read.whole(packed.balanceVersion),
    encounterCount: read.whole(packed.encounterCount),
    encounters: read.list(packed.encounters, ACTOR_LIMITS.encounters, item => {
      const { id: encounterId, method, otherHandle, points, atMs } = read.fields(item);
      return {
        id: read.text(encounterId),
        method: read.oneOf(method, METHODS),
        otherHandle: read.text(otherHandle),
        points: read.number(points),
        atMs: read.number(atMs),
      };
    }),
    sessions: read.list(packed.sessions, ACTOR_LIMITS.sessions + 1, sessionOf),
    outbox: outboxOf(read.fields(packed.outbox)),
    sharing: read.flag(packed.sharing),
    sharingUntilMs: read.whole(packed.sharingUntilMs),
    instant: read.flag(packed.instant),
    track: packed.track === null ? null : trackOf(read.fields(packed.track), id, rules),
    locationSeq: read.whole(packed.locationSeq, -1),
    areas: read.list(packed.areas, MANY, areaOf),
    heys: read.list(packed.heys, ACTOR_LIMITS.heysWaiting, heyOf),
    scans: read.list(packed.scans, ACTOR_LIMITS.scansKept, scanOf),
    underWay: {},
    done: read.list(packed.done, MANY, doneOf),
    ahead: read.list(packed.ahead, ACTOR_LIMITS.ahead, movementOf),
    crediting: read.insisting(packed.crediting),
    pending: read.list(packed.pending, ACTOR_LIMITS.scansPending, pendingOf),
  };
  return { state, open: read.list(packed.open, MANY, read.replyTo) };
}

function outboxOf({ epoch, lineage, others, offset, ring: packed }: read.Fields): UserState['outbox'] {
  const ring = read.list(packed, ACTOR_LIMITS.ringEvents, item => {
    const event = read.fields(item);
    return {
      offset: read.whole(event.offset),
      id: read.text(event.id),
      atMs: read.whole(event.atMs),
      bytes: read.bytes(event.bytes, ACTOR_LIMITS.ringBytes),
    };
  });
  const ringBytes = ring.reduce((sum, event) => sum + event.bytes.length, 0);
  return {
    epoch: read.text(epoch),
    lineage: read.whole(lineage),
    others: read.whole(others),
    offset: read.whole(offset),
    ring,
    ringBytes,
  };
}

function movementOf(item: unknown): Movement {
  const { transferId, version, delta, balance, reason, method, otherHandle, atMs } = read.fields(item);
  return {
    transferId: read.text(transferId),
    version: read.whole(version),
    delta: read.whole(delta, Number.MIN_SAFE_INTEGER),
    balance: read.whole(balance, Number.MIN_SAFE_INTEGER),
    reason: read.text(reason),
    method: method === null ? null : read.oneOf(method, METHODS),
    otherHandle: read.text(otherHandle),
    atMs: read.whole(atMs),
  };
}

function sessionOf(item: unknown): Session {
  const { ref, deviceId, connSeq, foreground, acked } = read.fields(item);
  const { gateway, id } = read.fields(ref);
  return {
    ref: { gateway: read.text(gateway), id: read.text(id) },
    deviceId: read.text(deviceId),
    connSeq: read.number(connSeq),
    foreground: read.flag(foreground),
    acked: read.whole(acked),
  };
}

function fixOf({ latE7, lngE7, accuracyDm, takenAtMs }: read.Fields): Fix {
  return {
    latE7: read.whole(latE7, -900_000_000, 900_000_000),
    lngE7: read.whole(lngE7, -1_800_000_000, 1_800_000_000),
    accuracyDm: read.number(accuracyDm),
    takenAtMs: read.whole(takenAtMs),
  };
}

function trackOf(packed: read.Fields, userId: string, rules: MeetRules): Track {
  const fix: FixMessage = {
    type: 'fix',
    userId,
    role: read.oneOf(packed.role, PARTIES),
    handle: read.text(packed.handle),
    instant: read.flag(packed.instant),
    seq: read.whole(packed.seq),
    ...fixOf(packed),
    speedMps: read.number(packed.speedMps),
  };
  return { fix, route: routeFix(null, fix.role, fix.latE7, fix.lngE7, rules.proximity.reachM), left: [] };
}

function areaOf(item: unknown): Area {
  const { cell, version, officers } = read.fields(item);
  const officer = (one: unknown): OfficerRef => {
    const { id, handle } = read.fields(one);
    return { id: read.text(id), handle: read.text(handle) };
  };
  return {
    cell: read.text(cell),
    version: read.number(version),
    officers: read.list(officers, MANY, officer),
  };
}

function personOf(item: unknown): PersonRef {
  const { id, kind, handle } = read.fields(item);
  return { id: read.text(id), kind: read.oneOf(kind, PARTIES), handle: read.text(handle) };
}

function heyOf(item: unknown): Hey {
  const { heyId, other, fix, cell, expiresAtMs } = read.fields(item);
  return {
    heyId: read.text(heyId),
    other: personOf(other),
    fix: fixOf(read.fields(fix)),
    cell: read.text(cell),
    expiresAtMs: read.whole(expiresAtMs),
  };
}

function scanOf(item: unknown): Scan {
  const { tokenId, scannerId, key, atMs } = read.fields(item);
  return {
    tokenId: read.text(tokenId),
    scannerId: read.text(scannerId),
    key: read.text(key),
    atMs: read.whole(atMs),
  };
}

/** An answer is given again as it is. */
function doneOf(item: unknown): CommandDone {
  const { key, requestHash, result } = read.fields(item);
  const answer = read.fields(result);
  if (!read.flag(answer.ok)) {
    read.whole(answer.code);
    read.text(answer.message);
  }
  return {
    key: read.text(key),
    requestHash: read.text(requestHash),
    result: answer as unknown as Result<unknown>,
  };
}

function pendingOf(item: unknown): PendingScan {
  const { tokenId, scanner, scannedAtMs, encounterId, dueAtMs, offset } = read.fields(item);
  return {
    tokenId: read.text(tokenId),
    scanner: personOf(scanner),
    scannedAtMs: read.whole(scannedAtMs),
    encounterId: read.text(encounterId),
    dueAtMs: read.whole(dueAtMs),
    offset: read.whole(offset),
    settling: false,
    replyTo: [],
  };
}
