/**
 * From a user actor's accepted position to the regions that must hear of it.
 *
 * - An officer's fix goes to the one region that holds it: that region alone judges his pairs. When the fix falls into
 *   another region, the OLD one gets `depart` and passes him on with everything his dwells have collected, so nothing
 *   is lost at a border.
 * - A civilian's fix goes to every region within reach, so that whichever region holds an officer close by knows the
 *   civilian too. Regions that are no longer in reach get `leave`.
 *
 * Most fixes fall where the last one did: then the route is reused after four comparisons.
 */
import type { FixMessage, Role } from '../messages/region.ts';
import type { Address, Turn } from '../turn.ts';
import { type Motion, motion } from './distance.ts';
import { cellOf, cover, type Inside, isInside, NOWHERE, REGIONS, regionId } from './grid.ts';

/** Where a person's fixes go. A value; reused for positions inside its edges. */
export interface Route extends Inside {
  /** The region that holds the position; its id is the coarse cell. */
  readonly owner: Address;
  /** Every region to tell, the owner among them. */
  readonly regions: readonly Address[];
  /** The cells of `regions`, in the same order; the owner's alone is `cell`. */
  readonly cells: readonly number[];
  readonly cell: number;
}

/** What a user actor keeps between fixes while the person shares. */
export interface Track {
  readonly fix: FixMessage;
  readonly route: Route;
}

/** Nobody is known to move by one fix. */
const UNKNOWN: Motion = { speedMps: -1, eastMps: 0, northMps: 0 };

/** The route of a position; `previous` itself when it still holds. Pure. */
export function routeFix(
  previous: Route | null,
  role: Role,
  latE7: number,
  lngE7: number,
  reachM: number,
): Route {
  if (previous !== null && isInside(previous, latE7, lngE7)) return previous;
  const lat = latE7 / 1e7;
  const lng = lngE7 / 1e7;
  const cell = cellOf(lat, lng);
  const cells = role === 'officer' ? [cell] : cover(lat, lng, reachM);
  if (previous !== null && sameCells(previous, cell, cells)) return previous;
  const address = (id: number): Address => ({ kind: 'region', id: regionId(id) });
  const owner = address(cell);
  return {
    owner,
    regions: cells.map(id => (id === cell ? owner : address(id))),
    cells,
    cell,
    ...(cells.length > 1 ? NOWHERE : REGIONS.insideOf(cell, role === 'officer' ? 0 : reachM)),
  };
}

function sameCells(route: Route, owner: number, cells: readonly number[]): boolean {
  if (route.cell !== owner || route.cells.length !== cells.length) return false;
  for (let i = 0; i < cells.length; i++) if (route.cells[i] !== cells[i]) return false;
  return true;
}

export interface Person {
  readonly userId: string;
  /** Number of the account. */
  readonly account?: number;
  readonly role: Role;
  readonly handle: string;
  readonly instant: boolean;
}

export interface Position {
  readonly seq: number;
  readonly latE7: number;
  readonly lngE7: number;
  readonly accuracyDm: number;
  readonly takenAtMs: number;
  /** Bits of `fraud/trust.ts`; absent or 0: nothing speaks against it. */
  readonly trust?: number;
}

/** Nearly all have a number and nothing that speaks against them: those are made in one piece. */
function fixOf(person: Person, position: Position, moved: Motion): FixMessage {
  const { userId, account, role, handle, instant } = person;
  const { seq, latE7, lngE7, accuracyDm, takenAtMs, trust } = position;
  const { speedMps, eastMps, northMps } = moved;
  const type = 'fix';
  if (account !== undefined && !trust) {
    return {
      type,
      userId,
      account,
      role,
      handle,
      instant,
      seq,
      latE7,
      lngE7,
      accuracyDm,
      takenAtMs,
      speedMps,
      eastMps,
      northMps,
    };
  }
  return {
    type,
    userId,
    ...(account === undefined ? {} : { account }),
    role,
    handle,
    instant,
    seq,
    latE7,
    lngE7,
    accuracyDm,
    takenAtMs,
    speedMps,
    eastMps,
    northMps,
    ...(trust ? { trust } : {}),
  };
}

/**
 * Tells the regions about a position and returns what to keep for the next. The caller has refused positions that are
 * not newer than `previous` (see {@link isNewer}). `previous` is null at the first fix after sharing began.
 */
export function publishFix(
  turn: Pick<Turn, 'tell'>,
  person: Person,
  previous: Track | null,
  position: Position,
  reachM: number,
): Track {
  const route = routeFix(previous?.route ?? null, person.role, position.latE7, position.lngE7, reachM);
  const moved = previous === null ? UNKNOWN : motion(previous.fix, position);
  const fix = fixOf(person, position, moved);
  if (previous === null || previous.route === route) {
    for (const region of route.regions) turn.tell(region, fix);
    return { fix, route };
  }
  if (person.role === 'officer') {
    turn.tell(previous.route.owner, { type: 'depart', fix, to: route.owner.id });
    return { fix, route };
  }
  for (const region of previous.route.regions) {
    if (route.regions.some(other => other.id === region.id)) continue;
    turn.tell(region, { type: 'leave', userId: person.userId, atMs: position.takenAtMs });
  }
  for (const region of route.regions) turn.tell(region, fix);
  return { fix, route };
}

/**
 * Instant match was switched off: the regions hear the last position again, now without it. As the next fix, not as a
 * word of its own, so that it also overtakes an officer's fix that is on its way from one region to the next.
 */
export function publishInstantOff(turn: Pick<Turn, 'tell'>, track: Track): Track {
  if (!track.fix.instant) return track;
  const fix: FixMessage = { ...track.fix, instant: false, seq: track.fix.seq + 1 };
  for (const region of track.route.regions) turn.tell(region, fix);
  return { ...track, fix };
}

/**
 * Nobody holds the person's phone for the moment, or somebody does again: the regions keep him and what runs, and begin
 * nothing new with him while he is away. As the next fix, for the reason given at {@link publishInstantOff}.
 */
export function publishPresence(turn: Pick<Turn, 'tell'>, track: Track, isPresent: boolean): Track {
  const { absent: _, ...here } = track.fix;
  const seq = track.fix.seq + 1;
  const fix: FixMessage = isPresent ? { ...here, seq } : { ...here, seq, absent: true };
  for (const region of track.route.regions) turn.tell(region, fix);
  return { ...track, fix };
}

/**
 * What speaks against the person has changed, and the place has not: the regions hear the last position again. As the
 * next fix, for the reason given at {@link publishInstantOff}.
 */
export function publishTrust(turn: Pick<Turn, 'tell'>, track: Track, trust: number): Track {
  const { trust: before = 0, ...plain } = track.fix;
  if (before === trust) return track;
  const fix: FixMessage = { ...plain, seq: plain.seq + 1, ...(trust === 0 ? {} : { trust }) };
  for (const region of track.route.regions) turn.tell(region, fix);
  return { ...track, fix };
}

/** Regions that have heard of a person since sharing began, as far as remembered. */
export const WALKED_MAX = 32;

/** `walked` with those of this route, newest last; `walked` itself when it holds them all. */
export function walkedOn(walked: readonly string[], route: Route): readonly string[] {
  if (route.regions.every(({ id }) => walked.includes(id))) return walked;
  const here = route.regions.map(({ id }) => id);
  const others = walked.filter(id => !here.includes(id));
  return [...others, ...here].slice(-WALKED_MAX);
}

/**
 * Sharing ended: every region forgets the person, also those that were left behind (they remember who walked there,
 * `fraud/footprints.ts`). All area lists of the person are void. An officer may still be on his way from one region to the next:
 * so those before tell the present one as well, behind what they have passed on.
 */
export function publishLeave(turn: Pick<Turn, 'tell'>, track: Track, walked: readonly string[] = []): void {
  const { userId, role } = track.fix;
  for (const region of track.route.regions) turn.tell(region, { type: 'leave', userId });
  const to = track.route.owner.id;
  for (const id of walked) {
    if (track.route.regions.some(region => region.id === id)) continue;
    turn.tell({ kind: 'region', id }, { type: 'leave', userId, ...(role === 'officer' ? { to } : {}) });
  }
}

/** Whether a position may follow the last: a higher sequence number and not taken earlier. */
export function isNewer(previous: Track | null, position: Position): boolean {
  return (
    previous === null || (position.seq > previous.fix.seq && position.takenAtMs >= previous.fix.takenAtMs)
  );
}
