/**
 * The stream of a user's durable events: how one comes about, and how the stream goes on after the node that had it died
 * or after the actor slept.
 *
 * Guarantee. Under one epoch an offset is one event, byte for byte, whichever node tells of it. A phone that resumes where
 * the ring still reaches gets exactly what it missed.
 *
 * Mechanism. Two stores hold the stream. The ledger holds the movements of the account, numbered by its versions without a
 * gap. Every other event is stored under the next number of its own (`n`) together with the version that the balance had
 * (`after`), and leaves when it is stored. That fixes one order: event n stands behind movement `after` and before the
 * movement that follows; its offset is `after + n`, and that of movement v is v plus the stored events before it. An actor
 * that starts merges the two from the newest back. It stops where the two do not fit together or where anything is
 * missing: what is older cannot be replayed then, and who needs it gets a snapshot.
 *
 * So movements must be told in the order of their versions. They come from pairs and givers on several nodes, in any order
 * or never; one that comes too early waits for those before it, and after a second these are read from the store.
 */
import type { EventBody } from '../../protocol/catalogue.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import type { Result } from '../../protocol/errors.ts';
import type { Resume } from '../../protocol/frames.ts';
import { type DurableName, encodeEvent } from '../../protocol/messages.ts';
import type { EventOp } from '../durable.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import { owned } from '../owned.ts';
import type { Movement, StreamRecord, UserRecord } from '../queries.ts';
import type { Turn } from '../turn.ts';
import { append, type Outbox } from './outbox.ts';
import { Ring, type RingEvent } from './ring.ts';
import { ripensWith } from './ripening.ts';
import type { UserState } from './state.ts';

/** Events that are stored; the others follow from the ledger, and a snapshot is none of the stream. */
export type StoredName = Exclude<DurableName, 'encounter.completed' | 'points.changed' | 'snapshot'>;

/** Tag of the read of movements that nobody told. */
export const GAP_READ = 'gap';
const NO_FRAME = new Uint8Array(0);

/** Short positive words after a meeting (DOMAIN rule 12). */
const KIND_WORDS = [
  'Nice to meet you!',
  'That hello made the day.',
  'A good street starts with a hey.',
  'Thanks for saying hello.',
  'Community, one hello at a time.',
] as const;

/** Of a stored event: a repeat of what it tells has the same one. */
export const eventId = (name: StoredName, userId: string, what: string): string =>
  derivedId(name, userId, what);

/** The next offset at which an event can stand. */
const place = ({ outbox }: UserState): number => outbox.now.offset + 1;

/**
 * Stores a durable event and sends it to every session when it is stored.
 *
 * @param what names what it tells of, so that the same is not told twice while the ring remembers it
 * @param about when it must be known for longer that it was told
 */
export function emit<N extends StoredName>(
  state: UserState,
  turn: Turn,
  name: N,
  body: EventBody<N>,
  what: string,
  about: string | null = null,
): UserState {
  const id = eventId(name, state.me.id, what);
  const { ring, others, lineage, balance, balanceVersion } = state.outbox.now;
  if (ring.offsetOf(id) !== undefined) return state;
  const frame = encodeEvent(name, place(state), id, body);
  store({ id, user: state.me.id, n: others + 1, after: balanceVersion, lineage, about, frame }, turn);
  tell(state, frame, 'stored', balance, balanceVersion, turn);
  return state;
}

/** Nobody waits for this commit but the gate: the empty tag is nobody's. */
const store = (op: Omit<EventOp, 'type'>, turn: Turn): void => turn.persist({ type: 'event', ...op }, '');

/** Sends an event to every session, and puts it into the outbox with the balance that it leaves. */
function tell(
  { sessions, outbox }: UserState,
  bytes: Uint8Array,
  source: 'movement' | 'stored',
  balance: number,
  balanceVersion: number,
  turn: Turn,
): void {
  const [first] = sessions;
  if (first !== undefined)
    turn.push(sessions.length === 1 ? [first.ref] : sessions.map(one => one.ref), bytes, 'durable');
  outbox.set(append(outbox.now, { atMs: turn.nowMs, bytes }, source, balance, balanceVersion), turn);
}

/** The bytes that tell of a movement, the same whoever makes them. */
function frameOf(movement: Movement, offset: number): Uint8Array {
  const { transferId, version, delta, balance, reason, method, otherHandle, atMs } = movement;
  if (method === null) {
    const body = { transferId, delta, balance, balanceVersion: version, reason };
    return encodeEvent('points.changed', offset, transferId, body);
  }
  return encodeEvent('encounter.completed', offset, transferId, {
    encounterId: transferId,
    method,
    otherHandle,
    points: delta,
    atS: Math.floor(atMs / 1_000),
    balance,
    balanceVersion: version,
    message: KIND_WORDS[Number.parseInt(transferId.slice(-8), 16) % KIND_WORDS.length] as string,
  });
}

/** A movement was told. What was told before changes nothing; what comes too early waits. */
export function moved(state: UserState, movement: Movement, turn: Turn): UserState {
  const { version } = movement;
  const { balanceVersion } = state.outbox.now;
  if (version <= balanceVersion) return state;
  if (version > balanceVersion + 1) return waits(state, movement, turn);
  let next = movedTo(state, movement, turn);
  if (next.ahead.length === 0) return next;
  const { outbox } = state;
  for (const one of state.ahead)
    if (one.version === outbox.now.balanceVersion + 1) next = movedTo(next, one, turn);
  const ahead = next.ahead.filter(one => one.version > outbox.now.balanceVersion);
  if (ahead.length === 0) turn.cancelTimer(GAP_READ);
  return { ...next, ahead };
}

function movedTo(before: UserState, movement: Movement, turn: Turn): UserState {
  const { ripening } = before;
  const state = ripening ? { ...before, ripening: ripensWith(ripening, movement) } : before;
  const {
    transferId: id,
    version: balanceVersion,
    balance,
    method,
    otherHandle,
    delta: points,
    atMs,
  } = movement;
  const bytes = frameOf(movement, place(state));
  tell(state, bytes, 'movement', balance, balanceVersion, turn);
  if (method === null) return state;
  const encounters = [owned({ id, method, otherHandle, points, atMs }), ...state.encounters];
  return {
    ...state,
    encounterCount: state.encounterCount + 1,
    encounters: encounters.slice(0, ACTOR_LIMITS.encounters),
  };
}

/** Too many do not matter: the store has them all, and is asked. */
function waits(state: UserState, movement: Movement, turn: Turn): UserState {
  if (state.ahead.some(one => one.version === movement.version)) return state;
  if (state.ahead.length === 0) watchGap(turn);
  const ahead = [...state.ahead, movement].sort((a, b) => a.version - b.version);
  return { ...state, ahead: ahead.slice(0, ACTOR_LIMITS.ahead) };
}

export const watchGap = (turn: Turn): void => turn.timer(GAP_READ, ACTOR_LIMITS.gapMs, { type: 'gap' });

/** A second has passed: those in between were told on a node that died, perhaps; or they could not be read. */
export function gapOpen(state: UserState, turn: Turn): UserState {
  readMovements(state, turn);
  return state;
}

/** Something moved of which nobody told. */
export const readMovements = (state: UserState, turn: Turn, tag = GAP_READ): void =>
  turn.query(
    {
      type: 'movements',
      user: state.me.id,
      after: state.outbox.now.balanceVersion,
      limit: ACTOR_LIMITS.gapMovements,
    },
    tag,
  );

export function gapRead(state: UserState, result: Result<unknown>, turn: Turn): UserState {
  if (!result.ok) {
    watchGap(turn);
    return state;
  }
  const found = result.value as readonly Movement[];
  let next = state;
  for (const movement of found) next = moved(next, movement, turn);
  if (found.length === ACTOR_LIMITS.gapMovements) readMovements(next, turn);
  else if (next.ahead.length > 0) watchGap(turn);
  return next;
}

/**
 * A phone has heard more than this actor knows: what a pair committed while the actor was read from the store, and told to
 * an earlier life of it. The store is asked once for each such claim, or a resume would show that event a second time;
 * whoever claims more than there is gets a snapshot then.
 */
export function catchesUp(state: UserState, resume: Resume | null, turn: Turn): UserState | null {
  const { epoch, offset } = state.outbox.now;
  if (resume === null || resume.epoch !== epoch || resume.offset <= Math.max(offset, state.claimed))
    return null;
  readMovements(state, turn);
  return { ...state, claimed: resume.offset };
}

/** Balance and version as far as this actor knows, also where the phones have not been told yet. */
export function newest({ outbox, ahead }: UserState): { balance: number; version: number } {
  const { balance, balanceVersion } = outbox.now;
  return ahead.at(-1) ?? { balance, version: balanceVersion };
}

/** Where the stream goes on: at a start from what is stored. */
export function streamOf({ id, balance, balanceVersion, stream }: UserRecord, turn: Turn): Outbox {
  const epochOf = (lineage: number): string => derivedId('stream', stream.town, id, `${lineage}`);
  const { others, lineage } = stream;
  if (stream.after <= balanceVersion) {
    const ring = rebuilt(stream, balanceVersion, turn.nowMs);
    const offset = balanceVersion + others;
    return { epoch: epochOf(lineage), lineage, others, offset, ring, balance, balanceVersion };
  }
  // Events stand behind movements that the ledger does not have: it is older than they are. What an offset meant is
  // not known any more, so another lineage begins, with a mark that takes an offset and is never told.
  const mark = { id: turn.newId(), user: id, n: others + 1, after: balanceVersion, lineage: lineage + 1 };
  store({ ...mark, about: null, frame: NO_FRAME }, turn);
  return {
    epoch: epochOf(mark.lineage),
    lineage: mark.lineage,
    others: mark.n,
    offset: balanceVersion + mark.n,
    ring: Ring.EMPTY,
    balance,
    balanceVersion,
  };
}

/** The newest events, merged from the newest back, as far as they fit together and into a ring. */
function rebuilt({ movements, events, others }: StreamRecord, balanceVersion: number, nowMs: number): Ring {
  if (movements.length === 0 && events.length === 0) return Ring.EMPTY;
  const back: RingEvent[] = [];
  let ringBytes = 0;
  let [version, n] = [balanceVersion, others];
  let [movementAt, eventAt] = [0, 0];
  while (back.length < ACTOR_LIMITS.ringEvents) {
    const offset = version + n;
    const event = events[eventAt];
    const movement = movements[movementAt];
    let one: Omit<RingEvent, 'offset' | 'atMs'> & { readonly ageMs: number };
    if (event && (event.n !== n || event.after > version)) break; // one is missing, or stands where it cannot
    if (event && event.after === version) {
      if (event.frame.length === 0) break; // the mark: here this lineage began
      one = { ageMs: event.ageMs, bytes: event.frame };
      eventAt++;
      n--;
    } else if (movement?.version === version) {
      one = { ageMs: movement.ageMs, bytes: frameOf(movement, offset) };
      movementAt++;
      version--;
    } else break;
    const { ageMs, bytes } = one;
    if (ageMs > ACTOR_LIMITS.ringMs || ringBytes + bytes.length > ACTOR_LIMITS.ringBytes) break;
    ringBytes += bytes.length;
    back.push({ offset, atMs: nowMs - ageMs, bytes });
  }
  return Ring.of(back.reverse());
}
