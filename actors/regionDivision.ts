/**
 * What a region does when the layout of its cell changes (`geo/layout.ts`): when it is divided, or made one again with its
 * neighbours. The problem: while that happens, users, nodes and regions know different layouts, and yet each pair must have
 * one judge who has heard all that the judge before him knew, so that nobody is missed and nothing happens twice.
 *
 * - **A region that learns that it is none any more** hands over all it knows in one turn: each officer with his slots to
 *   the region that holds him now, each civilian to all in reach. From then on it is a signpost. What is said to it by
 *   somebody who knows an older layout it passes on; what is said to it beside others (`dual`) it passes over.
 * - **A region that learns that it is one now** asks those that were in its place (`former`) for what they know, and judges
 *   nothing until they have said it: what arrives meanwhile is held, in order. The question carries the layout, so who has
 *   not learned of it does so now. Whoever is dead answers from an empty memory, whoever cannot be reached is waited for
 *   {@link INHERIT_MS}: less than the time between two reports.
 * - **Who speaks by a layout tells it first** (`laid`) to each region that has not heard it from him, so a node that learns
 *   late delays nothing. A region that is told by a newer layout than it knows nevertheless holds that until it knows it.
 * - Messages are passed on only from older layouts to newer ones, so none goes round in circles, whatever stands in the
 *   directory.
 *
 * The times by which meetings are judged are those at which fixes were taken, so waiting changes no result.
 */
import { cellOf } from './geo/grid.ts';
import {
  formerOf,
  type Ground,
  groundOf,
  holderOf,
  isRegion,
  isWithinReach,
  type Layout,
  type Layouts,
  overlap,
  packLayout,
  pathsWithin,
  quadId,
  readLayout,
  regionsOf,
  UNDIVIDED,
} from './geo/layout.ts';
import { HELD_MAX, INHERIT_AGAIN_MS, INHERIT_MEMBERS, INHERIT_MS, INHERIT_SLOTS } from './geo/limits.ts';
import type { Matcher, Moved, PackedMatcher } from './geo/matcher.ts';
import type {
  AdoptMessage,
  DepartMessage,
  FixMessage,
  LeaveMessage,
  RegionMessage,
  UnsettledMessage,
} from './messages/region.ts';
import { divided, united } from './regionParts.ts';
import type { Address, Turn } from './turn.ts';

/** What concerns people, and so goes to whoever judges them. */
export type PersonMessage = FixMessage | LeaveMessage | DepartMessage | AdoptMessage | UnsettledMessage;

export interface Division {
  readonly ground: Ground;
  /** The newest layout of the cell that this region heard of. */
  layout: Layout;
  /** State of the node's layouts that was looked at last. */
  changes: number;
  /** It judges, or will when nobody is waited for any more. */
  isRegion: boolean;
  /** Ids of regions from which something is to come. */
  readonly waiting: Set<string>;
  /** Nobody and nothing is waited for beyond it. */
  untilMs: number;
  held: PersonMessage[];
  /** What came in pieces, by region. */
  readonly pieces: Map<string, Pieces>;
  /** Of a signpost: whom it has told by which layout it speaks. */
  readonly introduced: Set<string>;
}

export interface Pieces {
  readonly members: unknown[];
  readonly slots: unknown[];
  readonly officers: unknown[];
}

/** What a region gives its division to work with. */
export interface Divided {
  readonly division: Division;
  matcher: Matcher;
}

export interface DivisionParts<S> {
  readonly layoutsNow: () => Layouts;
  readonly reachM: number;
  /** An empty matcher for this cell. */
  readonly fresh: (cell: number) => Matcher;
  /** Checks what another node packed; null for rubbish. */
  readonly read: (pieces: Pieces) => PackedMatcher | null;
  /** It knows nobody any more. */
  readonly dissolved: (state: S) => void;
  /** Takes a message as the judge. */
  readonly act: (state: S, message: PersonMessage, turn: Turn) => void;
  /** Something happened while what two regions knew was put together. */
  readonly moved: (state: S, moved: Moved, turn: Turn) => void;
}

const SETTLE = 'settle';

export const newDivision = (ground: Ground): Division => ({
  ground,
  layout: UNDIVIDED,
  changes: -1,
  isRegion: false,
  waiting: new Set(),
  untilMs: 0,
  held: [],
  pieces: new Map(),
  introduced: new Set(),
});

const region = (id: string): Address => ({ kind: 'region', id });
const ownId = ({ ground }: Division): string => quadId(ground.cell, ground.path);

/** Nothing is to come. */
export const isSettled = ({ waiting, held, pieces }: Division): boolean =>
  waiting.size === 0 && held.length === 0 && pieces.size === 0;

/**
 * Looks whether the node, or `told` by which somebody speaks, knows another layout; at the beginning of every turn. Of both
 * at once: who was a region by the older one is not to become it for a moment.
 */
export function follow<S extends Divided>(
  state: S,
  told: unknown,
  parts: DivisionParts<S>,
  turn: Turn,
): void {
  const { division } = state;
  const layouts = parts.layoutsNow();
  const heard = told === undefined ? null : readLayout(told);
  const isNews = heard !== null && heard.version > division.layout.version;
  if (division.changes === layouts.changes && !isNews) return;
  division.changes = layouts.changes;
  division.introduced.clear();
  const known = layouts.of(division.ground.cell);
  learn(state, isNews && heard.version > (known?.version ?? 0) ? heard : known, parts, turn);
}

/** Whether it may be forgotten when nobody is here: nothing is to come, and its node knows what it knows. */
export const isForgettable = ({ division }: Divided, layouts: Layouts): boolean =>
  isSettled(division) && division.layout.version <= (layouts.of(division.ground.cell)?.version ?? 0);

/**
 * Nothing, from somebody who was not asked: said again to who had asked again, and has gone meanwhile. Who made himself
 * known for it would ask again, and so on for ever.
 */
export const isBelated = ({ division }: Divided, message: RegionMessage & { type: 'inherit' }): boolean =>
  message.last &&
  !division.waiting.has(message.from) &&
  !division.pieces.has(message.from) &&
  message.members.length === 0;

function learn<S extends Divided>(
  state: S,
  layout: Layout | null | undefined,
  parts: DivisionParts<S>,
  turn: Turn,
): void {
  const { division } = state;
  const isNews = layout && layout.version > division.layout.version;
  if (isNews) division.layout = layout;
  arrange(state, parts, turn);
  if (isNews && !division.isRegion) begin(state, parts, turn);
}

/** Begins or ends to be a region, as the layout says. */
function arrange<S extends Divided>(state: S, parts: DivisionParts<S>, turn: Turn): void {
  const { division } = state;
  const { layout, ground, waiting } = division;
  if (isRegion(layout, ground.path) === division.isRegion) return;
  if (division.isRegion) {
    // first comes what is still to come
    if (waiting.size === 0) dissolve(state, parts, turn);
    return;
  }
  division.isRegion = true;
  for (const path of formerOf(layout, ground.path, turn.nowMs)) waiting.add(quadId(ground.cell, path));
  if (waiting.size === 0) return begin(state, parts, turn);
  division.untilMs = turn.nowMs + INHERIT_MS;
  askFormer(division, turn);
}

function askFormer(division: Division, turn: Turn): void {
  const layout = packLayout(division.layout);
  for (const id of division.waiting) turn.tell(region(id), { type: 'yield', to: ownId(division), layout });
  settleSoon(turn);
}

/** Looks again after a moment. */
export const settleSoon = (turn: Turn): void =>
  turn.timer(SETTLE, INHERIT_AGAIN_MS, { type: 'settle' } satisfies RegionMessage);

/** It is a region no more: all it knows goes to those in its place. */
function dissolve<S extends Divided>(state: S, parts: DivisionParts<S>, turn: Turn): void {
  const { division, matcher } = state;
  const { layout, ground } = division;
  division.isRegion = false;
  if (matcher.members.count > 0) {
    const holder = (latE7: number, lngE7: number) =>
      holderOf(cell => layoutOf(state, parts, cell), latE7, lngE7).id;
    const inReach = (latE7: number, lngE7: number) => inPlaceOf(division, parts.reachM, latE7, lngE7);
    for (const [id, part] of divided(matcher.pack(), holder, inReach)) {
      for (const piece of piecesOf(part))
        turn.tell(region(id), {
          type: 'inherit',
          from: ownId(division),
          layout: packLayout(layout),
          ...piece,
        });
    }
    state.matcher = parts.fresh(ground.cell);
    parts.dissolved(state);
    turn.count('heyblue_region_handed_over_total', {
      way: layout.divided.some(one => one.path === ground.path) ? 'split' : 'merge',
    });
  }
  begin(state, parts, turn);
}

/** In pieces that fit into a message; members are named by their place in all of them together. */
function* piecesOf({ members, slots, officers }: PackedMatcher) {
  const count = Math.max(
    1,
    Math.ceil(members.length / INHERIT_MEMBERS),
    Math.ceil(slots.length / INHERIT_SLOTS),
  );
  for (let i = 0; i < count; i++) {
    yield {
      members: members.slice(i * INHERIT_MEMBERS, (i + 1) * INHERIT_MEMBERS),
      slots: slots.slice(i * INHERIT_SLOTS, (i + 1) * INHERIT_SLOTS),
      officers: officers.slice(i * INHERIT_MEMBERS, (i + 1) * INHERIT_MEMBERS),
      last: i === count - 1,
    };
  }
}

/** The regions in place of this one within reach of a position. */
const inPlaceOf = ({ layout, ground }: Division, reachM: number, latE7: number, lngE7: number): string[] =>
  pathsWithin(layout, ground.cell, latE7 / 1e7, lngE7 / 1e7, reachM)
    .filter(path => overlap(path, ground.path))
    .map(path => quadId(ground.cell, path));

const layoutOf = (
  { division }: Divided,
  { layoutsNow }: Pick<DivisionParts<never>, 'layoutsNow'>,
  cell: number,
): Layout => {
  const known = layoutsNow().of(cell) ?? UNDIVIDED;
  return cell === division.ground.cell && division.layout.version > known.version ? division.layout : known;
};

/** What was held has its turn: nobody is waited for any more. */
function begin<S extends Divided>(state: S, parts: DivisionParts<S>, turn: Turn): void {
  const { held } = state.division;
  state.division.held = [];
  for (const message of held) take(state, message, parts, turn);
}

/** Whether it takes whatever comes as the judge. */
export const judges = ({ division }: Divided): boolean => division.isRegion && division.waiting.size === 0;

/** The region judges, passes on, holds or passes over. */
export function take<S extends Divided>(
  state: S,
  message: PersonMessage,
  parts: DivisionParts<S>,
  turn: Turn,
): void {
  const { division } = state;
  if (division.waiting.size > 0) return hold(state, message, parts, turn);
  if (division.isRegion) return parts.act(state, message, turn);
  if ('dual' in message && message.dual) return;
  const version = versionOf(message);
  if (version > division.layout.version) hold(state, message, parts, turn);
  else if (version < division.layout.version) passOn(state, message, parts, turn);
}

function versionOf(message: PersonMessage): number {
  switch (message.type) {
    case 'adopt':
      return message.fix.layout ?? 0;
    case 'unsettled':
      return message.layout ?? -1;
    default:
      return message.layout ?? 0;
  }
}

function hold<S extends Divided>(
  state: S,
  message: PersonMessage,
  parts: DivisionParts<S>,
  turn: Turn,
): void {
  const { division } = state;
  if (division.held.length === 0 && division.waiting.size === 0) {
    division.untilMs = turn.nowMs + INHERIT_MS;
    settleSoon(turn);
  }
  division.held.push(message);
  if (division.held.length > HELD_MAX) giveUp(state, parts, turn);
}

/** Whoever is spoken to by a layout has heard of it first: his node may be late. */
function introduce(division: Division, id: string, of: (cell: number) => Layout, turn: Turn): void {
  const layout = of(groundOf(id)!.cell);
  if (layout.version === 0 || division.introduced.has(id)) return;
  division.introduced.add(id);
  turn.tell(region(id), { type: 'laid', layout: packLayout(layout) });
}

/** To those in whose place this region was for its sender. */
function passOn<S extends Divided>(
  state: S,
  message: PersonMessage,
  parts: DivisionParts<S>,
  turn: Turn,
): void {
  const { division } = state;
  const { layout, ground } = division;
  const of = (cell: number): Layout => layoutOf(state, parts, cell);
  const stamp = { layout: layout.version };
  const tell = (id: string, what: PersonMessage): void => {
    introduce(division, id, of, turn);
    turn.tell(region(id), what);
  };
  turn.count('heyblue_region_passed_on_total');
  switch (message.type) {
    case 'fix': {
      const { userId, latE7, lngE7, takenAtMs } = message;
      if (message.role === 'officer') {
        const to = holderOf(of, latE7, lngE7);
        const fix = { ...message, layout: to.version };
        // who has not heard of the quads does not know that he has gone from one into another
        const last = { latE7: message.fromLatE7 ?? latE7, lngE7: message.fromLngE7 ?? lngE7 };
        const from = holderOf(of, last.latE7, last.lngE7);
        introduce(division, to.id, of, turn);
        if (from.id === to.id) tell(to.id, fix);
        else tell(from.id, { type: 'depart', fix, to: to.id, ...last, layout: from.version });
        return;
      }
      const near = inPlaceOf(division, parts.reachM, latE7, lngE7);
      for (const path of regionsOf(layout)) {
        const id = quadId(ground.cell, path);
        if (near.includes(id)) tell(id, { ...message, ...stamp });
        else if (overlap(path, ground.path))
          tell(id, { type: 'leave', userId, atMs: takenAtMs, latE7, lngE7, ...stamp });
      }
      return;
    }
    case 'adopt': {
      const holder = holderOf(of, message.fix.latE7, message.fix.lngE7);
      tell(holder.id, { ...message, fix: { ...message.fix, layout: holder.version } });
      return;
    }
    case 'depart': {
      const { fix, latE7, lngE7 } = message;
      const from = holderOf(of, latE7, lngE7);
      const cell = cellOf(fix.latE7 / 1e7, fix.lngE7 / 1e7);
      const isOld = of(cell).version < (fix.layout ?? 0);
      const to = isOld ? { id: message.to, version: fix.layout! } : holderOf(of, fix.latE7, fix.lngE7);
      const moved = { ...fix, layout: to.version };
      if (!isOld) introduce(division, to.id, of, turn);
      if (from.id === to.id) tell(to.id, moved);
      else tell(from.id, { ...message, fix: moved, to: to.id, layout: from.version });
      return;
    }
    case 'leave':
      for (const path of regionsOf(layout)) {
        if (!overlap(path, ground.path)) continue;
        const { latE7, lngE7, atMs } = message;
        // who only went out of reach of a quad may be in reach of the region that the quad has become a part of
        const isNear =
          atMs !== undefined &&
          latE7 !== undefined &&
          lngE7 !== undefined &&
          isWithinReach({ cell: ground.cell, path }, latE7 / 1e7, lngE7 / 1e7, parts.reachM);
        if (!isNear) tell(quadId(ground.cell, path), { ...message, ...stamp });
      }
      return;
    case 'unsettled':
      // nobody remembers to whom the two went
      for (const path of regionsOf(layout))
        if (overlap(path, ground.path)) tell(quadId(ground.cell, path), { ...message, ...stamp });
  }
}

/** Somebody in this region's place asks for what it knows. */
export function yielded(state: Divided, to: string, turn: Turn): void {
  const { division } = state;
  // who waits himself will hand over when he has what he waits for; he is asked again
  if (!isRegion(division.layout, division.ground.path) && division.isRegion) return;
  const nothing = { members: [], slots: [], officers: [], last: true };
  turn.tell(region(to), {
    type: 'inherit',
    from: ownId(division),
    layout: packLayout(division.layout),
    ...nothing,
  });
}

/** A piece of what another region knew. */
export function inherit<S extends Divided>(
  state: S,
  message: RegionMessage & { type: 'inherit' },
  parts: DivisionParts<S>,
  turn: Turn,
): void {
  const { division } = state;
  const { from, last } = message;
  const pieces = division.pieces.get(from) ?? { members: [], slots: [], officers: [] };
  for (const field of ['members', 'slots', 'officers'] as const)
    if (Array.isArray(message[field])) for (const one of message[field]) pieces[field].push(one);
  if (!last) {
    division.pieces.set(from, pieces);
    return;
  }
  division.pieces.delete(from);
  if (pieces.members.length > 0) accept(state, pieces, parts, turn);
  if (division.waiting.delete(from) && division.waiting.size === 0) settled(state, parts, turn);
}

function accept<S extends Divided>(state: S, pieces: Pieces, parts: DivisionParts<S>, turn: Turn): void {
  const { division } = state;
  const part = parts.read(pieces);
  if (part === null) return;
  const fresh = () => parts.fresh(division.ground.cell);
  for (const moved of united(state.matcher, part, fresh, turn.nowMs)) parts.moved(state, moved, turn);
  if (division.isRegion) return;
  // it came late, or by an older layout: on to those who judge
  division.isRegion = true;
  arrange(state, parts, turn);
}

/** All there was to come has come. */
function settled<S extends Divided>(state: S, parts: DivisionParts<S>, turn: Turn): void {
  turn.cancelTimer(SETTLE);
  arrange(state, parts, turn);
  if (state.division.waiting.size === 0) begin(state, parts, turn);
}

function giveUp<S extends Divided>(state: S, parts: DivisionParts<S>, turn: Turn): void {
  const { division } = state;
  turn.count('heyblue_region_unanswered_total');
  division.waiting.clear();
  const pieces = [...division.pieces.values()];
  division.pieces.clear();
  for (const one of pieces) accept(state, one, parts, turn);
  arrange(state, parts, turn);
  if (!division.isRegion) {
    // of a layout that nobody here ever learned of
    division.held = [];
    return;
  }
  begin(state, parts, turn);
}

/** The timer of those who wait. */
export function settle<S extends Divided>(state: S, parts: DivisionParts<S>, turn: Turn): void {
  const { division } = state;
  if (isSettled(division)) return;
  const isWaiting = division.waiting.size > 0;
  if ((isWaiting || division.held.length > 0) && turn.nowMs >= division.untilMs) giveUp(state, parts, turn);
  else if (isWaiting) askFormer(division, turn);
  if (!isSettled(division)) settleSoon(turn);
}
