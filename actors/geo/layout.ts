/**
 * How one 2,048 m cell is divided among regions. A cell that became too hot for one actor is divided into four quads of
 * 1,024 m, each of these again, down to 256 m: an undivided quad is a region of its own, `r<cell>.<path>`, a path being a
 * digit a level (0 south-west, 1 south-east, 2 north-west, 3 north-east). A cell without a layout is one region, `r<cell>`.
 *
 * A layout names the quads that are divided, each with its parent: so whatever can be written down is a tree whose leaves
 * cover the cell exactly once. There is no way to write a hole, an overlap or a cycle; {@link readLayout} refuses the rest.
 *
 * The coarse cell that people and stores see is the 2,048 m one, whatever is divided inside it.
 */
import { type Box, boxOf, CELL_COUNT, cellOf, latReachDeg, lngReachDeg, regionId } from './grid.ts';
import {
  FORMER_MAX,
  FORMER_MS,
  LAYOUT_VERSION_MAX,
  QUAD_DEPTH_MAX,
  QUAD_EDGE_PER_REACH,
  REGION_EDGE_M,
} from './limits.ts';

export interface Layout {
  /** Rises with each change of this cell's layout; a cell that was never divided has 0. */
  readonly version: number;
  /** The quads that are divided, '' for the whole cell, each after its parent; with the fixes per second then. */
  readonly divided: readonly { readonly path: string; readonly fixesPerS: number }[];
  /** The quads that ceased to be regions lately: what they knew is asked for by those in whose place they were. */
  readonly former: readonly { readonly path: string; readonly atMs: number }[];
}

/** The layouts that a node knows: a copy that is kept up to date beside the turns. */
export interface Layouts {
  /** Rises with every change of any layout. */
  readonly changes: number;
  of(cell: number): Layout | undefined;
}

export const UNDIVIDED: Layout = { version: 0, divided: [], former: [] };
/** Of a town in which nothing is ever divided. */
export const NO_LAYOUTS: Layouts = { changes: 0, of: () => undefined };

/** A region's ground. */
export interface Ground {
  readonly cell: number;
  readonly path: string;
}

const isPath = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= QUAD_DEPTH_MAX && /^[0-3]*$/.test(value);

/** Actor id of a quad's region. */
export const quadId = (cell: number, path: string): string =>
  path === '' ? regionId(cell) : `${regionId(cell)}.${path}`;

/** The ground of a region, null when there can be no such region. */
export function groundOf(id: string): Ground | null {
  const match = /^r(\d{1,9})(?:\.([0-3]{1,3}))?$/.exec(id);
  if (match === null) return null;
  const cell = Number(match[1]);
  return cell < CELL_COUNT && regionId(cell) === `r${match[1]}` ? { cell, path: match[2] ?? '' } : null;
}

/** Whether one path is the other or lies inside it. */
export const isWithin = (path: string, outer: string): boolean => path.startsWith(outer);
export const overlap = (a: string, b: string): boolean => isWithin(a, b) || isWithin(b, a);

const isDivided = (layout: Layout, path: string): boolean => layout.divided.some(one => one.path === path);
const parentOf = (path: string): string => path.slice(0, -1);
const QUARTERS = ['0', '1', '2', '3'] as const;

/** Whether this quad is a region of its own. */
export const isRegion = (layout: Layout, path: string): boolean =>
  !isDivided(layout, path) && (path === '' || isDivided(layout, parentOf(path)));

/** The paths of all regions of a cell. */
export function regionsOf(layout: Layout): string[] {
  if (!isDivided(layout, '')) return [''];
  return layout.divided.flatMap(({ path }) =>
    QUARTERS.map(quarter => path + quarter).filter(quad => !isDivided(layout, quad)),
  );
}

const quarterOf = (box: Box, quarter: number): Box => {
  const lat = (box.south + box.north) / 2;
  const lng = (box.west + box.east) / 2;
  return {
    columns: box.columns,
    south: quarter < 2 ? box.south : lat,
    north: quarter < 2 ? lat : box.north,
    west: quarter % 2 === 0 ? box.west : lng,
    east: quarter % 2 === 0 ? lng : box.east,
  };
};

/** Edges of a region, degrees. */
function boxOfGround({ cell, path }: Ground): Box {
  let box = boxOf(cell);
  for (const quarter of path) box = quarterOf(box, Number(quarter));
  return box;
}

/** Longitude 180 is longitude -180, as in the grid. */
const wrapped = (lng: number): number => (lng >= 180 ? lng - 360 : lng);

/** The region that holds a position of this cell, degrees. */
export function pathAt(layout: Layout, cell: number, lat: number, lng: number): string {
  let path = '';
  for (let box = boxOf(cell); isDivided(layout, path); ) {
    const north = lat >= (box.south + box.north) / 2;
    const east = wrapped(lng) >= (box.west + box.east) / 2;
    const quarter = (north ? 2 : 0) + (east ? 1 : 0);
    box = quarterOf(box, quarter);
    path += quarter;
  }
  return path;
}

/** Whether a disc touches a box (or passes just beyond a corner). */
function touches(box: Box, lat: number, lng: number, latReach: number, lngReach: number): boolean {
  if (lat + latReach < box.south || lat - latReach > box.north) return false;
  if (lngReach >= 180) return true;
  const away = Math.abs(lng - (box.west + box.east) / 2) % 360;
  return Math.min(away, 360 - away) <= (box.east - box.west) / 2 + lngReach;
}

/** The regions of this cell within `radiusM` of a position, in order of their paths. */
export function pathsWithin(
  layout: Layout,
  cell: number,
  lat: number,
  lng: number,
  radiusM: number,
): string[] {
  const latReach = latReachDeg(radiusM);
  const lngReach = lngReachDeg(lat, radiusM);
  const found: string[] = [];
  const look = (path: string, box: Box): void => {
    if (!touches(box, lat, lng, latReach, lngReach)) return;
    if (!isDivided(layout, path)) found.push(path);
    else for (const quarter of QUARTERS) look(path + quarter, quarterOf(box, Number(quarter)));
  };
  look('', boxOf(cell));
  return found;
}

/** Whether a disc touches the ground of a region. */
export const isWithinReach = (ground: Ground, lat: number, lng: number, radiusM: number): boolean =>
  touches(boxOfGround(ground), lat, lng, latReachDeg(radiusM), lngReachDeg(lat, radiusM));

/** The region that holds a position, and the version of its cell's layout. */
export function holderOf(of: (cell: number) => Layout, latE7: number, lngE7: number) {
  const [lat, lng] = [latE7 / 1e7, lngE7 / 1e7];
  const cell = cellOf(lat, lng);
  const layout = of(cell);
  return { id: quadId(cell, pathAt(layout, cell, lat, lng)), version: layout.version };
}

/** Levels to which a cell may be divided while matching looks so far: a quad stays the larger. */
export function depthMax(scoringM: number): number {
  let depth = 0;
  while (depth < QUAD_DEPTH_MAX && REGION_EDGE_M / 2 ** (depth + 1) >= QUAD_EDGE_PER_REACH * scoringM)
    depth++;
  return depth;
}

function changed(
  { version, former }: Layout,
  divided: Layout['divided'],
  ceased: readonly string[],
  atMs: number,
): Layout {
  const kept = former.filter(one => atMs - one.atMs < FORMER_MS && !ceased.includes(one.path));
  const all = [...kept, ...ceased.map(path => ({ path, atMs }))].slice(-FORMER_MAX);
  return { version: version + 1, divided: [...divided].sort(byPath), former: all };
}
const byPath = (a: { path: string }, b: { path: string }): number =>
  a.path.length - b.path.length || (a.path < b.path ? -1 : 1);

/** With this region divided into four; null when it is none, or as small as it may be. */
export function dividedAt(layout: Layout, path: string, depth: number, fixesPerS: number, atMs: number) {
  if (!isRegion(layout, path) || path.length >= Math.min(depth, QUAD_DEPTH_MAX)) return null;
  if (layout.version >= LAYOUT_VERSION_MAX) return null;
  return changed(layout, [...layout.divided, { path, fixesPerS: Math.round(fixesPerS) }], [path], atMs);
}

/** With the four regions of this quad made one again; null when they are not four regions. */
export function mergedAt(layout: Layout, path: string, atMs: number): Layout | null {
  if (!isMergeable(layout, path) || layout.version >= LAYOUT_VERSION_MAX) return null;
  const divided = layout.divided.filter(one => one.path !== path);
  const quads = QUARTERS.map(quarter => path + quarter);
  return changed(layout, divided, quads, atMs);
}

/** Whether the four quads of this one are regions. */
export const isMergeable = (layout: Layout, path: string): boolean =>
  isDivided(layout, path) && QUARTERS.every(quarter => !isDivided(layout, path + quarter));

/** Those who may know something of what this region is to know: regions in its place until lately. */
export const formerOf = (layout: Layout, path: string, nowMs: number): string[] =>
  layout.former
    .filter(one => one.path !== path && overlap(one.path, path) && nowMs - one.atMs < FORMER_MS)
    .map(one => one.path);

/** As it is written down and sent; times as they are, numbers whole. */
export const packLayout = ({ version, divided, former }: Layout): unknown => ({
  version,
  divided: divided.map(one => [one.path, one.fixesPerS]),
  former: former.map(one => [one.path, one.atMs]),
});

/** What {@link packLayout} wrote; null for anything else. */
export function readLayout(value: unknown): Layout | null {
  if (typeof value !== 'object' || value === null) return null;
  const { version, divided, former } = value as Record<string, unknown>;
  if (!isCount(version, LAYOUT_VERSION_MAX) || version === 0) return null;
  const tree = pairs(divided);
  const past = pairs(former);
  if (tree === null || past === null || past.length > FORMER_MAX) return null;
  const known = new Set<string>();
  for (const [path] of tree) {
    const rooted = path === '' || known.has(parentOf(path));
    if (!rooted || known.has(path) || path.length >= QUAD_DEPTH_MAX) return null;
    known.add(path);
  }
  return {
    version,
    divided: tree.map(([path, fixesPerS]) => ({ path, fixesPerS })),
    former: past.map(([path, atMs]) => ({ path, atMs })),
  };
}

const isCount = (value: unknown, most: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;

/** Quads of all levels but the last: more cannot be divided. */
const DIVIDED_MAX = (4 ** QUAD_DEPTH_MAX - 1) / 3;

function pairs(value: unknown): [path: string, number: number][] | null {
  if (!Array.isArray(value) || value.length > Math.max(DIVIDED_MAX, FORMER_MAX)) return null;
  const sound = value.every(
    one =>
      Array.isArray(one) && one.length === 2 && isPath(one[0]) && isCount(one[1], Number.MAX_SAFE_INTEGER),
  );
  return sound ? value.map(([path, number]) => [path, number]) : null;
}
