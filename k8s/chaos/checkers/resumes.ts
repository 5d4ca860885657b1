/**
 * I4: a phone that lost its socket comes back and misses nothing. It is resumed and gets every event in between, or it is
 * told its whole state anew. A state that the phone asked for by itself does not make up for an event that never came.
 */
import { type Checker, type Evidence, findings, quantile, spellsOf } from '../evidence.ts';
import { type EventRecord, eventsOf, type History, type LostRecord, type WelcomeRecord } from '../history.ts';

type Turn = LostRecord | WelcomeRecord;

const turnsOf = ({ records }: History): Map<string, Turn[]> =>
  Map.groupBy(
    records.filter(one => one.type === 'lost' || one.type === 'welcome'),
    one => one.who,
  );

const NAMES_MOVEMENT = new Set(['encounter.completed', 'points.changed']);
const MOVED_BY = new Set(['confirmed', 'refunded']);
const tellsOfMovement = ({ name, state }: EventRecord): boolean =>
  NAMES_MOVEMENT.has(name) || (name === 'redemption.changed' && MOVED_BY.has(state ?? ''));

/** Snapshots that stand for everything before them: those that follow a WELCOME which did not resume. */
const forced = (events: readonly EventRecord[], turns: readonly Turn[]): EventRecord[] => {
  const fresh = turns.filter(one => one.type === 'welcome' && !one.resumed).map(one => one.t_ms);
  const taken: EventRecord[] = [];
  let at = 0;
  for (const event of events) {
    if (event.name !== 'snapshot' || at >= fresh.length || fresh[at]! > event.t_ms) continue;
    taken.push(event);
    while (at < fresh.length && fresh[at]! <= event.t_ms) at++;
  }
  return taken;
};

export const resumes: Checker = ({ history, state }) => {
  const { found, fail } = findings('I4');
  const turns = turnsOf(history);
  const events = Map.groupBy(eventsOf(history), one => one.who);
  const striped = new Set(state.accounts.filter(one => one.stripe !== 0).map(one => one.id));
  const moves = Map.groupBy(
    state.transfers.flatMap(one => one.postings.map(leg => ({ ...leg, id: one.id }))),
    leg => leg.account,
  );
  for (const { userId } of history.people) {
    const last = turns.get(userId)?.at(-1);
    if (last?.type === 'lost')
      fail(
        'not resumed',
        `${userId} lost its socket at ${last.t_ms} ms (${last.code}) and did not come back`,
      );
    const mine = events.get(userId) ?? [];
    for (const gap of gapsOf(mine)) fail('untold', `${userId} ${gap}`);
    if (striped.has(userId)) continue;
    const told = new Set(mine.filter(tellsOfMovement).map(one => one.version));
    const covered = Math.max(0, ...forced(mine, turns.get(userId) ?? []).map(one => one.version ?? 0));
    for (const { id, version } of moves.get(userId) ?? [])
      if (!told.has(version) && version > covered)
        fail('untold', `${userId} was never told of transfer ${id}, version ${version} of the balance`);
  }
  return found;
};

/** Offsets of one lineage rise by one, unless a snapshot stands for what is missing. */
const gapsOf = (events: readonly EventRecord[]): string[] => {
  const gaps: string[] = [];
  const newest = { epoch: '', offset: 0 };
  for (const { name, epoch, offset, t_ms } of events) {
    const isKnown = newest.epoch === epoch && name !== 'snapshot';
    if (isKnown && offset > newest.offset + 1)
      gaps.push(`got offset ${offset} after ${newest.offset} at ${t_ms} ms, and nothing between`);
    newest.offset = isKnown ? Math.max(offset, newest.offset) : offset;
    newest.epoch = epoch;
  }
  return gaps;
};

/** Faults that take a server away from everybody: until it is back, there is nobody to resume with. */
const OUTAGE_ROWS = /^(4|5|6)/;
const OUTAGES = new Set(['swizzle-clog', 'rotation']);

/** Seconds from the loss of a socket to the next WELCOME; what the outage of a server takes is not counted. */
export const resumeTimes = ({ history, timeline }: Pick<Evidence, 'history' | 'timeline'>): number[] => {
  const outages = spellsOf(timeline).filter(one => OUTAGE_ROWS.test(one.row) || OUTAGES.has(one.fault));
  const times: number[] = [];
  for (const list of turnsOf(history).values()) {
    for (const [i, turn] of list.entries()) {
      const next = list[i + 1];
      if (turn.type !== 'lost' || next?.type !== 'welcome') continue;
      const healedMs = outages
        .filter(one => one.fromMs <= next.t_ms && one.toMs >= turn.t_ms)
        .reduce((latest, one) => Math.max(latest, one.toMs), turn.t_ms);
      times.push(Math.max(0, next.t_ms - healedMs) / 1_000);
    }
  }
  return times;
};

export const resumeQuantile = (evidence: Evidence, share: number): number | null =>
  quantile(resumeTimes(evidence), share);
