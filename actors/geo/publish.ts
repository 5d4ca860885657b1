/**
 * From a user actor's accepted position to the regions that must hear of it.
 *
 * - An officer's fix goes to the one region that holds it: that region alone judges his pairs. When the fix falls into
 *   another region, the OLD one gets `depart` and passes him on with everything his dwells have collected, so nothing
 *   is lost at a border.
 * - A civilian's fix goes to every region within reach, so that whichever region holds an officer close by knows the
 *   civilian too. Regions that are no longer in reach get `leave`.
 *
 * Most fixes fall where the last one did: then the route is reused after five comparisons.
 *
 * A cell may be divided among several regions, and the division may change (`layout.ts`). The layouts are read as this
 * node knows them. Who learns of a change goes on from where his last fix is now to be found, and tells the regions that
 * were in that place too, for two report periods: they go on judging until they have learned of it themselves, and then
 * pay no heed to what is said to both. Who has not learned of it yet is passed on by them (`regionDivision.ts`).
 */
import type { FixMessage, Role } from '../messages/region.ts';
import type { Address, Turn } from '../turn.ts';
import { type Motion, motion } from './distance.ts';
import { cellOf, cover, type Inside, isInside, NOWHERE, REGIONS, regionId } from './grid.ts';
import {
  groundOf,
  isWithinReach,
  type Layouts,
  NO_LAYOUTS,
  packLayout,
  pathAt,
  pathsWithin,
  quadId,
} from './layout.ts';
import { DUAL_MS } from './limits.ts';

/** Where a person's fixes go. A value; reused for positions inside its edges, while the layouts stay. */
export interface Route extends Inside {
  /** The region that holds the position. */
  readonly owner: Address;
  /** Id of the 2,048 m cell that holds the position, whatever is divided in it. */
  readonly coarse: string;
  /** Every region to tell, the owner among them. */
  readonly regions: readonly Address[];
  /** The layouts by which `regions` were found, in the same order (0: never divided); null when all are 0. */
  readonly versions: readonly number[] | null;
  /** State of the layouts by which the route was made. */
  readonly changes: number;
  /** The cells within reach; the owner's alone is `cell`. */
  readonly cells: readonly number[];
  readonly cell: number;
}

/** What a user actor keeps between fixes while the person shares. */
export interface Track {
  readonly fix: FixMessage;
  readonly route: Route;
  /** Regions that the fix left behind (ids). */
  readonly left: readonly string[];
  /** Regions in whose place others are now: told too until then (time of fixes, Unix ms). */
  readonly former?: { readonly regions: readonly Address[]; readonly untilMs: number } | undefined;
}

/** Nobody is known to move by one fix. */
const UNKNOWN: Motion = { speedMps: -1, eastMps: 0, northMps: 0 };
const NONE_LEFT: readonly string[] = [];

/** The route of a position; `previous` itself when it still holds. Pure. */
export function routeFix(
  previous: Route | null,
  role: Role,
  latE7: number,
  lngE7: number,
  reachM: number,
  layouts: Layouts = NO_LAYOUTS,
): Route {
  const isCurrent = previous !== null && previous.changes === layouts.changes;
  if (isCurrent && isInside(previous, latE7, lngE7)) return previous;
  const lat = latE7 / 1e7;
  const lng = lngE7 / 1e7;
  const cell = cellOf(lat, lng);
  const cells = role === 'officer' ? [cell] : cover(lat, lng, reachM);
  if (isCurrent && previous.versions === null && sameCells(previous, cell, cells)) return previous;
  const coarse = regionId(cell);
  const layout = layouts.of(cell);
  const ownerId = layout === undefined ? coarse : quadId(cell, pathAt(layout, cell, lat, lng));
  const owner: Address = { kind: 'region', id: ownerId };
  const regions: Address[] = [];
  const versions: number[] = [];
  let isLaidOut = false;
  for (const one of cells) {
    const laid = layouts.of(one);
    if (laid !== undefined) isLaidOut = true;
    const ids =
      laid === undefined
        ? [one === cell ? coarse : regionId(one)]
        : role === 'officer'
          ? [ownerId]
          : pathsWithin(laid, one, lat, lng, reachM).map(path => quadId(one, path));
    for (const id of ids) {
      regions.push(id === ownerId ? owner : { kind: 'region', id });
      versions.push(laid?.version ?? 0);
    }
  }
  const route = { owner, coarse, regions, changes: layouts.changes, cells, cell };
  if (isLaidOut) return { ...route, versions, ...NOWHERE };
  const inside = cells.length > 1 ? NOWHERE : REGIONS.insideOf(cell, role === 'officer' ? 0 : reachM);
  return { ...route, versions: null, ...inside };
}

function sameCells(route: Route, owner: number, cells: readonly number[]): boolean {
  if (route.cell !== owner || route.cells.length !== cells.length) return false;
  for (let i = 0; i < cells.length; i++) if (route.cells[i] !== cells[i]) return false;
  return true;
}

const holds = ({ regions }: { readonly regions: readonly Address[] }, id: string): boolean =>
  regions.some(region => region.id === id);

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
  layouts: Layouts = NO_LAYOUTS,
): Track {
  const { role, userId } = person;
  const last =
    previous &&
    (previous.route.changes === layouts.changes ? previous : laidOut(previous, position, reachM, layouts));
  const before = last?.route ?? null;
  const route = routeFix(before, role, position.latE7, position.lngE7, reachM, layouts);
  const moved = previous === null ? UNKNOWN : motion(previous.fix, position);
  const fix = fixOf(person, position, moved);
  const { latE7: fromLatE7, lngE7: fromLngE7 } = previous?.fix ?? fix;
  // where nothing is ever divided, nobody asks where an officer was
  const isAsked = role === 'officer' && previous !== null && layouts !== NO_LAYOUTS;
  const said: FixMessage = isAsked ? { ...fix, fromLatE7, fromLngE7 } : fix;
  if (route !== before || before !== previous?.route)
    introduce(turn, previous?.route ?? null, before === null ? [route] : [before, route], layouts);
  const former = last?.former && tellFormer(turn, last.former, route, said, reachM);
  const track = (left: readonly string[]): Track => ({ fix, route, left, former });
  if (before === null || before === route) {
    tellRoute(turn, route, said);
    return track(NONE_LEFT);
  }
  if (role === 'officer') {
    if (before.owner.id === route.owner.id) tellRoute(turn, route, said);
    else {
      const { latE7, lngE7 } = previous!.fix;
      const stamp = before.versions === null ? {} : { layout: before.versions[0]! };
      const departing = stamped(said, route, 0);
      turn.tell(before.owner, { type: 'depart', fix: departing, to: route.owner.id, latE7, lngE7, ...stamp });
    }
    return track(before.owner.id === route.owner.id ? NONE_LEFT : [before.owner.id]);
  }
  const left: string[] = [];
  const { latE7, lngE7, takenAtMs } = position;
  before.regions.forEach((region, i) => {
    if (holds(route, region.id)) return;
    const stamp = before.versions === null ? {} : { layout: before.versions[i]! };
    turn.tell(region, { type: 'leave', userId, atMs: takenAtMs, latE7, lngE7, ...stamp });
    left.push(region.id);
  });
  tellRoute(turn, route, said);
  return track(left);
}

/** The track as it is by the layouts of now: its last fix where it is to be found, and whom to tell besides. */
function laidOut(track: Track, { takenAtMs }: Position, reachM: number, layouts: Layouts): Track {
  const { role, latE7, lngE7 } = track.fix;
  const route = routeFix(null, role, latE7, lngE7, reachM, layouts);
  const ceased = track.route.regions.filter(region => !holds(route, region.id));
  if (ceased.length === 0) return { ...track, route };
  const earlier = track.former?.regions.filter(region => !ceased.some(one => one.id === region.id)) ?? [];
  return { ...track, route, former: { regions: [...earlier, ...ceased], untilMs: takenAtMs + DUAL_MS } };
}

/** Those in whose place others are: they hear the fix while it concerns them, and that they may forget when it does not. */
function tellFormer(
  turn: Pick<Turn, 'tell'>,
  former: NonNullable<Track['former']>,
  route: Route,
  fix: FixMessage,
  reachM: number,
): Track['former'] {
  const { role, userId, latE7, lngE7, takenAtMs } = fix;
  const isOver = takenAtMs >= former.untilMs;
  const regions = former.regions.filter(region => {
    if (holds(route, region.id)) return false;
    const reach = role === 'officer' ? 0 : reachM;
    const isConcerned = !isOver && isWithinReach(groundOf(region.id)!, latE7 / 1e7, lngE7 / 1e7, reach);
    if (isConcerned) turn.tell(region, { ...fix, dual: true });
    // When it is over he is silent there: it may be a region again that hears him from those in whose place it now is. An
    // officer who went elsewhere is passed on by the region in which he is to be found.
    else if (!isOver && role === 'civilian')
      turn.tell(region, { type: 'leave', userId, atMs: takenAtMs, dual: true });
    return isConcerned;
  });
  return regions.length === 0 ? undefined : { ...former, regions };
}

/** Tells those who have not heard from this person by this layout what it is: their node may be late. */
function introduce(
  turn: Pick<Turn, 'tell'>,
  known: Route | null,
  routes: readonly Route[],
  layouts: Layouts,
): void {
  const told: string[] = [];
  for (const { regions, versions } of routes) {
    if (versions === null) continue;
    regions.forEach((region, i) => {
      const at = known?.regions.findIndex(({ id }) => id === region.id) ?? -1;
      const isKnown = at >= 0 && known?.versions?.[at] === versions[i];
      if (versions[i] === 0 || isKnown || told.includes(region.id)) return;
      told.push(region.id);
      const layout = layouts.of(groundOf(region.id)!.cell)!;
      turn.tell(region, { type: 'laid', layout: packLayout(layout) });
    });
  }
}

const stamped = (fix: FixMessage, route: Route, at: number): FixMessage => {
  const version = route.versions?.[at] ?? 0;
  return version === 0 ? fix : { ...fix, layout: version };
};

function tellRoute(turn: Pick<Turn, 'tell'>, route: Route, fix: FixMessage): void {
  if (route.versions === null) for (const region of route.regions) turn.tell(region, fix);
  else for (let i = 0; i < route.regions.length; i++) turn.tell(route.regions[i]!, stamped(fix, route, i));
}

/** The last position said again as another fix. */
function sayAgain(turn: Pick<Turn, 'tell'>, track: Track, fix: FixMessage): Track {
  tellRoute(turn, track.route, fix);
  for (const region of track.former?.regions ?? []) turn.tell(region, { ...fix, dual: true });
  return { ...track, fix };
}

/**
 * Instant match was switched off: the regions hear the last position again, now without it. As the next fix, not as a
 * word of its own, so that it also overtakes an officer's fix that is on its way from one region to the next.
 */
export function publishInstantOff(turn: Pick<Turn, 'tell'>, track: Track): Track {
  if (!track.fix.instant) return track;
  return sayAgain(turn, track, { ...track.fix, instant: false, seq: track.fix.seq + 1 });
}

/**
 * Nobody holds the person's phone for the moment, or somebody does again: the regions keep him and what runs, and begin
 * nothing new with him while he is away. As the next fix, for the reason given at {@link publishInstantOff}.
 */
export function publishPresence(turn: Pick<Turn, 'tell'>, track: Track, isPresent: boolean): Track {
  const { absent: _, ...here } = track.fix;
  const seq = track.fix.seq + 1;
  return sayAgain(turn, track, isPresent ? { ...here, seq } : { ...here, seq, absent: true });
}

/**
 * What speaks against the person has changed, and the place has not: the regions hear the last position again. As the
 * next fix, for the reason given at {@link publishInstantOff}.
 */
export function publishTrust(turn: Pick<Turn, 'tell'>, track: Track, trust: number): Track {
  const { trust: before = 0, ...plain } = track.fix;
  if (before === trust) return track;
  const fix: FixMessage = { ...plain, seq: plain.seq + 1, ...(trust === 0 ? {} : { trust }) };
  return { ...sayAgain(turn, track, fix), left: NONE_LEFT };
}

/** Regions that have heard of a person since sharing began, as far as remembered. */
export const WALKED_MAX = 32;

/** `walked` with those of this route and those it left, newest last; `walked` itself when it holds them all. */
export function walkedOn(
  walked: readonly string[],
  { route, left }: Pick<Track, 'route' | 'left'>,
): readonly string[] {
  // a region of a new layout may be left with the fix that first went by that layout
  const here = [...left, ...route.regions.map(({ id }) => id)];
  if (here.every(id => walked.includes(id))) return walked;
  const others = walked.filter(id => !here.includes(id));
  return [...others, ...here].slice(-WALKED_MAX);
}

/**
 * Sharing ended: every region forgets the person, also those that were left behind (they remember who walked there,
 * `fraud/footprints.ts`). All area lists of the person are void. An officer may still be on his way from one region to the next:
 * so those before tell the present one as well, behind what they have passed on. What they tell is by no layout: whoever
 * ceased to be a region passes it on to all in its place.
 */
export function publishLeave(turn: Pick<Turn, 'tell'>, track: Track, walked: readonly string[] = []): void {
  const { route, former, fix } = track;
  const gone = { type: 'leave', userId: fix.userId } as const;
  const versionOf = (at: number) => {
    const version = route.versions?.[at] ?? 0;
    return version === 0 ? {} : { layout: version };
  };
  route.regions.forEach((region, i) => {
    turn.tell(region, { ...gone, ...versionOf(i) });
  });
  for (const region of former?.regions ?? []) turn.tell(region, { ...gone, dual: true });
  // an officer's only region is the one that holds him
  const on = fix.role === 'officer' ? { to: { id: route.owner.id, ...versionOf(0) } } : {};
  for (const id of walked) if (!holds(route, id)) turn.tell({ kind: 'region', id }, { ...gone, ...on });
}

/** Whether a position may follow the last: a higher sequence number and not taken earlier. */
export function isNewer(previous: Track | null, position: Position): boolean {
  return (
    previous === null || (position.seq > previous.fix.seq && position.takenAtMs >= previous.fix.takenAtMs)
  );
}
