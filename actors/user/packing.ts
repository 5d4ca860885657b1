/**
 * A user actor as plain values and back, when its shard moves to another node in good order: sessions, the ring of
 * events, the position, heys, codes and answers go along, so that nobody notices.
 *
 * The runtime packs an actor that waits for nothing (no answer, no commit). A command whose outcome is in doubt goes along:
 * judged anew it could be refused although it had happened. Should another be under way all the same, whoever asked is told
 * that the outcome is not known: a repeat with its key finds it. A route follows from the position,
 * so only the position travels.
 */
import { ACCOUNT_KINDS, METHODS } from '../../protocol/catalogue.ts';
import type { Result } from '../../protocol/errors.ts';
import { answerAll, IN_DOUBT } from '../askers.ts';
import { Cell } from '../cell.ts';
import { packWatch, watchOf } from '../fraud/packing.ts';
import { packStay } from '../geo/areaRoute.ts';
import { PLACES_LIMITS } from '../geo/places/limits.ts';
import { WALKED_MAX } from '../geo/publish.ts';
import { insistAgain } from '../insist.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import * as read from '../packed.ts';
import type { FreshCredit, Movement } from '../queries.ts';
import type { MeetRules } from '../rules.ts';
import type { ReplyTo, Turn } from '../turn.ts';
import { NOTHING_WAITS } from '../waiting.ts';
import { type Aging, agingAt, NOT_AGING } from './aging.ts';
import { Answers, NOTHING_FORGOTTEN, timeOfKey } from './answers.ts';
import { armPresence } from './attendance.ts';
import { doubtOf, NO_DOUBT } from './doubt.ts';
import { renewHub } from './hub.ts';
import { forgetCellLater } from './modes.ts';
import { NOBODY_NEAR } from './near.ts';
import type { Outbox } from './outbox.ts';
import { counterOf, packCounter, packSpending, spendingOf } from './packedMarket.ts';
import { doubtfulOf, heyOf, pendingOf, scanOf } from './packedMeetings.ts';
import { areaOf, aroundOf, coarseOf, hubOf, modeOf, nearOf, stayOf, trackOf } from './packedPlaces.ts';
import { greetedOf, presenceOf, sessionOf } from './packedSessions.ts';
import { watchPeer } from './peers.ts';
import { readMine } from './redeemed.ts';
import { Ring } from './ring.ts';
import { ripeningOf } from './ripening.ts';
import type { CommandDone, UserState } from './state.ts';
import { watchGap } from './stream.ts';
import { readSales } from './tillTold.ts';

/** 3: devices that are away, presence, greeted officers; the place in a stream of events that outlives its node. */
const VERSION = 3;
const MANY = 1_024;

/** The state as plain values, for the node that takes the actor over; of what is under way only commands in doubt go along. */
export function packUser(state: UserState): unknown {
  const { underWay, outbox, track, around, crediting, pending, done, watch, waiting, ...rest } = state;
  const { spending, counter, aging, gave: _, ...plain } = rest;
  const { epoch, lineage, others, offset, ring, balance, balanceVersion } = outbox.now;
  return {
    v: VERSION,
    ...plain,
    balance,
    balanceVersion,
    outbox: { epoch, lineage, others, offset, ring: ring.events() },
    done: done.all(),
    forgottenMs: done.forgottenMs,
    watch: packWatch(watch),
    track: track?.fix ?? null,
    around: around && packStay(around),
    crediting: read.packInsisting(crediting),
    pending: pending.map(({ settling: __, replyTo: ___, ...scan }) => scan),
    spending: packSpending(spending),
    aging: { dueAtMs: aging.dueAtMs, lifeMs: aging.lifeMs },
    counter: packCounter(counter),
    open: [...underWay.values(), ...waiting].flatMap(({ replyTo }) => replyTo ?? []),
    doubtful: [...underWay.values()].filter(command => command.doubtful),
  };
}

/** The state; its timers are armed again, and who asked for what cannot go on is told. */
export function unpackUser(id: string, packed: unknown, rules: MeetRules, turn: Turn): Result<UserState> {
  const result = read.reading(() => stateOf(id, read.versioned(packed, VERSION), rules));
  if (!result.ok) return result;
  let { state } = result.value;
  answerAll(result.value.open, IN_DOUBT, turn);
  for (const { heyId, expiresAtMs } of state.heys) {
    turn.timer(`hey:${heyId}`, Math.max(0, expiresAtMs - turn.nowMs), { type: 'heyTimeout', heyId });
  }
  for (const { heyId } of [...state.heys, ...state.greeted]) watchPeer(heyId, turn);
  if (state.ahead.length > 0) watchGap(turn);
  for (const key of state.underWay.keys()) {
    turn.timer(`settle:${key}`, ACTOR_LIMITS.settleAgainMs, { type: 'settle', key });
  }
  armPresence(state, turn);
  forgetCellLater(state, rules, turn);
  renewHub(state, turn);
  readMine(state, turn);
  readSales(state, turn);
  for (const key of state.crediting.keys()) {
    state = { ...state, crediting: insistAgain(state.crediting, key, turn) };
  }
  return { ok: true, value: state };
}

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
      deviceNumber: me.deviceNumber === null ? null : read.whole(me.deviceNumber),
    },
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
    devicesAway: read.list(packed.devicesAway, ACTOR_LIMITS.devicesAway, sessionOf),
    presence: presenceOf(packed.presence),
    outbox: new Cell(outboxOf(packed)),
    ...modeOf(packed),
    hub: packed.hub ? hubOf(packed.hub) : null,
    coarse: packed.coarse ? coarseOf(packed.coarse) : null,
    instant: read.flag(packed.instant),
    track: packed.track === null ? null : trackOf(read.fields(packed.track), id, rules),
    walked: read.list(packed.walked ?? [], WALKED_MAX, id => read.text(id)),
    watch: watchOf(packed.watch),
    // a node of the version before remembered none
    doubt: packed.doubt ? doubtOf(packed.doubt) : NO_DOUBT,
    // a node of the version before packed none
    stays: read.list(packed.stays ?? [], PLACES_LIMITS.stays, stayOf),
    locationSeq: read.whole(packed.locationSeq, -1),
    // told again where it is not known
    periodS: packed.periodS === undefined ? 0 : read.whole(packed.periodS),
    // a node of the version before knew no areas: they are told with the next position
    around: packed.around ? aroundOf(read.fields(packed.around)) : null,
    near: packed.near ? nearOf(read.fields(packed.near)) : NOBODY_NEAR,
    areas: packed.around ? read.list(packed.areas, MANY, areaOf) : [],
    heys: read.list(packed.heys, ACTOR_LIMITS.heysWaiting, heyOf),
    greeted: read.list(packed.greeted, ACTOR_LIMITS.greeted, greetedOf),
    scans: read.list(packed.scans, ACTOR_LIMITS.scansKept, scanOf),
    underWay: new Map(read.list(packed.doubtful, MANY, doubtfulOf).map(command => [command.key, command])),
    done: answersOf(packed),
    waiting: [],
    ahead: read.list(packed.ahead, ACTOR_LIMITS.ahead, movementOf),
    claimed: 0,
    crediting: read.insisting(packed.crediting),
    gave: [],
    earning: NOTHING_WAITS,
    promoting: NOTHING_WAITS,
    // what is not known is read from the store: then this is refused, and the actor starts from there
    ripening: ripeningOf(rules.life, rules.life.activateMs > 0 ? freshFrom(packed.ripening) : []),
    // a node of the version before knew of none: it is looked for again
    aging: packed.aging ? agingFrom(read.fields(packed.aging)) : NOT_AGING,
    pending: read.list(packed.pending, ACTOR_LIMITS.scansPending, pendingOf),
    spending: spendingOf(packed.spending),
    counter: counterOf(packed.counter),
  };
  return { state, open: read.list(packed.open, MANY, read.replyTo) };
}

const freshFrom = (packed: unknown): FreshCredit[] =>
  read.list(read.fields(packed).credits, MANY, item => {
    const { atMs, points } = read.fields(item);
    return { atMs: read.number(atMs), points: read.number(points) };
  });

const agingFrom = ({ dueAtMs, lifeMs }: read.Fields): Aging =>
  agingAt(read.whole(dueAtMs), { lifeMs: read.whole(lifeMs) });

function outboxOf({ balance, balanceVersion, outbox }: read.Fields): Outbox {
  const { epoch, lineage, others, offset, ring: packed } = read.fields(outbox);
  const newest = read.whole(offset);
  const events = read.list(packed, ACTOR_LIMITS.ringEvents, item => {
    const event = read.fields(item);
    return {
      offset: read.whole(event.offset),
      atMs: read.whole(event.atMs),
      bytes: read.bytes(event.bytes, ACTOR_LIMITS.ringBytes),
    };
  });
  // offsets have no gap, and the last is the newest: a ring counts on it
  const at = (i: number): number => newest - events.length + 1 + i;
  for (const [i, event] of events.entries()) read.whole(event.offset, at(i), at(i));
  const ring = Ring.of(events);
  return {
    epoch: read.text(epoch),
    lineage: read.whole(lineage),
    others: read.whole(others),
    offset: newest,
    ring,
    balance: read.whole(balance, Number.MIN_SAFE_INTEGER),
    balanceVersion: read.whole(balanceVersion),
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

/** A node of the version before does not say what it has forgotten: nothing newer than what it remembers. */
function answersOf({ done: packed, forgottenMs }: read.Fields): Answers {
  const done = read.list(packed, MANY, doneOf);
  const isFull = done.length >= ACTOR_LIMITS.commands;
  const newestMs = isFull ? Math.max(...done.map(({ key }) => timeOfKey(key))) : NOTHING_FORGOTTEN;
  return Answers.of(done, forgottenMs === undefined ? newestMs : read.whole(forgottenMs, NOTHING_FORGOTTEN));
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
