/**
 * Reads recorded tracks. Three formats, told apart by their content:
 * - `athens`: CSV with the header `track_id,lon,lat,speed,time`, times in UTC;
 * - `eth` and `hotel`: rows of eight numbers `frame id x z y vx vz vy`, metres from an origin. Sightings come every
 *   0.4 s: each 6th frame of 15 a second (eth) or each 10th of 25 (hotel), and that step tells which.
 *
 * A file that is none of them, or holds a line that cannot be, gives one sentence that says what was found.
 */
import { readFileSync } from 'node:fs';
import { type Recording, type TrackFix, toRecording } from './track.ts';

export type ReadResult =
  | { readonly ok: true; readonly recording: Recording }
  | { readonly ok: false; readonly problem: string };

/** Where the metres of a pedestrian file begin. */
export interface Origin {
  readonly lat: number;
  readonly lng: number;
}
/** Washington Square Park, New York. */
export const DEFAULT_ORIGIN: Origin = { lat: 40.7308, lng: -73.9973 };

const HEADER = 'track_id,lon,lat,speed,time';
const FORMATS = `a CSV that begins with "${HEADER}" or rows of eight numbers "frame id x z y vx vz vy"`;
const MAX_BYTES = 256 * 1024 * 1024;
const EARTH_RADIUS_M = 6_371_008.8;
const SIGHTING_MS = 400;

const problem = (text: string): ReadResult => ({ ok: false, problem: text });

export function readTrackFile(path: string, origin: Origin = DEFAULT_ORIGIN): ReadResult {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    return problem(`${path} cannot be read: ${(error as Error).message}.`);
  }
  if (bytes.length > MAX_BYTES) return problem(`${path} is larger than ${MAX_BYTES / 1024 / 1024} MB.`);
  const result = readTrack(bytes.toString('utf8'), origin);
  return result.ok ? result : problem(`${path} ${result.problem}`);
}

/** Reads the text of a track file; the problem is a sentence without its subject. */
export function readTrack(text: string, origin: Origin = DEFAULT_ORIGIN): ReadResult {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const first = lines.find(line => line.trim() !== '')?.trim();
  if (first === undefined) return problem(`is empty; expected ${FORMATS}.`);
  if (first.replaceAll(' ', '') === HEADER) return readAthens(lines);
  if (eightNumbers(first) !== null) return readPedestrians(lines, origin);
  return problem(`is not a track file: it begins with ${quote(first)}; expected ${FORMATS}.`);
}

function readAthens(lines: readonly string[]): ReadResult {
  const fixes: TrackFix[] = [];
  let header = true;
  for (const [at, line] of lines.entries()) {
    if (line.trim() === '') continue;
    if (header) {
      header = false;
      continue;
    }
    const cells = line.split(',').map(cell => cell.trim());
    const [id, lon, lat, , time] = cells;
    const atMs = utcMs(time ?? '');
    const point = place(number(lat), number(lon));
    if (cells.length !== 5 || !id || point === null || atMs === null) return badLine(at, line, HEADER);
    fixes.push({ id, atMs, ...point });
  }
  return fixes.length === 0 ? problem('holds a header and no positions.') : recorded('athens', fixes);
}

function readPedestrians(lines: readonly string[], origin: Origin): ReadResult {
  const rows: { frame: number; id: string; x: number; y: number }[] = [];
  for (const [at, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const cells = eightNumbers(line);
    if (cells === null) return badLine(at, line, 'frame id x z y vx vz vy');
    rows.push({ frame: cells[0]!, id: String(cells[1]), x: cells[2]!, y: cells[4]! });
  }
  const step = frameStep(rows.map(row => row.frame));
  if (step !== 6 && step !== 10) {
    return problem(`has a sighting every ${step} frames; eth has one every 6 and hotel one every 10.`);
  }
  const metresPerDegree = (EARTH_RADIUS_M * Math.PI) / 180;
  const fixes: TrackFix[] = [];
  for (const { frame, id, x, y } of rows) {
    const lat = origin.lat + y / metresPerDegree;
    const lng = origin.lng + x / (metresPerDegree * Math.cos((origin.lat * Math.PI) / 180));
    const point = place(lat, ((((lng + 180) % 360) + 360) % 360) - 180);
    if (point === null) return problem('leaves the globe from this origin.');
    fixes.push({ id, atMs: Math.round((frame / step) * SIGHTING_MS), ...point });
  }
  return recorded(step === 6 ? 'eth' : 'hotel', fixes);
}

const recorded = (format: Recording['format'], fixes: readonly TrackFix[]): ReadResult => ({
  ok: true,
  recording: toRecording(format, fixes),
});

const badLine = (at: number, line: string, columns: string): ReadResult =>
  problem(`has a line ${at + 1} that is not "${columns}": ${quote(line)}.`);

const quote = (line: string): string => {
  const printable = line.trim().replace(/[^\x20-\x7e]/g, '?');
  return `"${printable.length > 60 ? `${printable.slice(0, 60)}...` : printable}"`;
};

const number = (text: string | undefined): number =>
  text !== undefined && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;

function eightNumbers(line: string): number[] | null {
  const cells = line.trim().split(/\s+/).map(number);
  return cells.length === 8 && cells.every(Number.isFinite) ? cells : null;
}

/** `1970-01-01 00:00:01.000` without a zone is UTC. */
function utcMs(text: string): number | null {
  const match = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?)Z?$/.exec(text);
  const ms = match ? Date.parse(`${match[1]}T${match[2]}Z`) : Number.NaN;
  return Number.isFinite(ms) ? ms : null;
}

function place(lat: number, lng: number): { latE7: number; lngE7: number } | null {
  if (!(Math.abs(lat) <= 90 && Math.abs(lng) <= 180)) return null;
  return { latE7: Math.round(lat * 1e7), lngE7: Math.round(lng * 1e7) };
}

/** The commonest distance between two frames with sightings, in frames. */
function frameStep(frames: readonly number[]): number {
  const counts = new Map<number, number>();
  const distinct = [...new Set(frames)].sort((a, b) => a - b);
  for (let i = 1; i < distinct.length; i++) {
    const step = distinct[i]! - distinct[i - 1]!;
    counts.set(step, (counts.get(step) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0;
}
