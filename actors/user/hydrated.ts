/** A user actor as it begins: its state from what the store has of the person (`UserRecord`). */
import { Cell } from '../cell.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { OfflineScan } from '../messages/user.ts';
import type { RememberedCommand, StreamRecord, TimerView, UserRecord } from '../queries.ts';
import { NOTHING_WAITS } from '../waiting.ts';
import { agingOf } from './aging.ts';
import { Answers, NOTHING_FORGOTTEN, timeOfKey } from './answers.ts';
import { rememberedDoubt } from './doubt.ts';
import { rememberedMode } from './modeMemory.ts';
import { NOBODY_NEAR } from './near.ts';
import type { Outbox } from './outbox.ts';
import { OFFLINE } from './presence.ts';
import { endingOf, NOBODY_CAME, NOTHING_SPENT, type Spending } from './redemption.ts';
import type { Ripening } from './ripening.ts';
import {
  type CommandDone,
  INSTANT_SWITCH,
  type PendingScan,
  REDEEM_TIMER,
  SCAN_TIMER,
  type UserState,
} from './state.ts';

const NOBODY: readonly never[] = [];

/** What every event looks at stands in front, and nothing is spread in: then all of it is one object. */
export function newUserState(
  record: UserRecord,
  outbox: Outbox,
  ripening: Ripening | null = null,
  nowMs = 0,
): UserState {
  const { id, kind, handle, number, deviceId, deviceNumber } = record;
  const { mode, modeUntilMs, hub } = rememberedMode(kind, record.timers);
  const { watch, doubt } = rememberedDoubt(record.timers, nowMs);
  return {
    me: { id, kind, handle, number, deviceId, deviceNumber },
    outbox: new Cell(outbox),
    sessions: NOBODY,
    ahead: NOBODY,
    presence: OFFLINE,
    encounterCount: record.encounterCount,
    encounters: record.encounters.length > 0 ? record.encounters : NOBODY,
    devicesAway: NOBODY,
    mode,
    modeUntilMs,
    hub,
    coarse: null,
    instant: record.timers.some(timer => timer.name === INSTANT_SWITCH),
    track: null,
    walked: NOBODY,
    stays: NOBODY,
    watch,
    doubt,
    locationSeq: -1,
    periodS: 0,
    around: null,
    near: NOBODY_NEAR,
    areas: NOBODY,
    heys: NOBODY,
    greeted: NOBODY,
    scans: NOBODY,
    underWay: NOTHING_WAITS,
    done: Answers.of(record.commands.filter(isTold).map(doneOf).reverse(), forgottenMsOf(record)),
    waiting: NOBODY,
    claimed: 0,
    crediting: NOTHING_WAITS,
    pending: record.timers.flatMap(timer => pendingOf(timer, record.stream, outbox)),
    spending: spendingOf(record),
    counter: NOBODY_CAME,
    gave: NOBODY,
    earning: NOTHING_WAITS,
    promoting: NOTHING_WAITS,
    aging: agingOf(record.timers),
    ripening,
  };
}

/** A redemption that has its timer is one of which no phone was told how it ended: nobody knows here what became of it. */
function spendingOf({ reserved, timers }: UserRecord): Spending {
  const timed = timers.filter(({ name }) => name.startsWith(REDEEM_TIMER));
  if (reserved === 0 && timed.length === 0) return NOTHING_SPENT;
  const ending = endingOf(timed.map(({ name }) => name.slice(REDEEM_TIMER.length)));
  return { ...NOTHING_SPENT, unread: reserved, ending };
}

/** The answer to a till tells of a redemption more than its movement does: it is put together anew (till.ts). */
export const isTold = (command: RememberedCommand): boolean =>
  'result' in command || (command.reason !== 'redemption' && command.reason !== 'refund');

/** When all that are remembered fit in, nothing is forgotten. */
const forgottenMsOf = ({ commands, latestKey }: UserRecord): number =>
  commands.length < ACTOR_LIMITS.commands ? NOTHING_FORGOTTEN : timeOfKey(latestKey ?? '');

/** The first answer again, in the words of the command that it was. */
export function doneOf(command: RememberedCommand): CommandDone {
  if ('result' in command) return command;
  const { key, requestHash, reason, encounterId: id, points, balance } = command;
  const value =
    reason === 'encounter' ? { encounterId: id, points, balance } : { transferId: id, points, balance };
  return { key, requestHash, result: { ok: true, value } };
}

function pendingOf(
  { name, dueAtMs, message }: TimerView,
  { told, lineage }: StreamRecord,
  outbox: Outbox,
): PendingScan[] {
  if (!name.startsWith(SCAN_TIMER)) return [];
  const scan = message as OfflineScan;
  const encounterId = name.slice(SCAN_TIMER.length);
  const offset = (lineage === outbox.lineage && told[encounterId]) || 0;
  return [{ ...scan, encounterId, dueAtMs, offset, settling: false, replyTo: NOBODY }];
}
