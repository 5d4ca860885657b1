/** Track files: the three that are read, and a clear sentence for everything else. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { makePark } from './makePark.ts';
import { readTrack, readTrackFile } from './read.ts';
import { drawOfficers, parseShare } from './roles.ts';

const HEADER = 'track_id,lon,lat,speed,time';
const row = (frame: number, id: number, x = 0, y = 0) =>
  `  ${frame}.0e+00  ${id}.0  ${x}  0.0  ${y}  1 0 1\r`;
const rows = (step: number) =>
  Array.from({ length: 10 }, (_, i) => row(780 + i * step, 1 + (i % 2), i, 2 * i)).join('\n');
const problemOf = (text: string): string => {
  const read = readTrack(text);
  return read.ok ? 'read' : read.problem;
};

describe('formats', () => {
  it('athens: degrees and UTC times, in order of time, then id', () => {
    const read = readTrack(
      `${HEADER}\n10,23.73,37.99,1,1970-01-01 00:00:05.000\n9,-23.7300001,-37.99,1,1970-01-01 00:00:05.500\n9,23.73,37.99,1,1970-01-01 00:00:05.000\n`,
    );
    expect(read).toEqual({
      ok: true,
      recording: {
        format: 'athens',
        ids: ['9', '10'],
        fixes: [
          { id: '9', atMs: 0, latE7: 379_900_000, lngE7: 237_300_000 },
          { id: '10', atMs: 0, latE7: 379_900_000, lngE7: 237_300_000 },
          { id: '9', atMs: 500, latE7: -379_900_000, lngE7: -237_300_001 },
        ],
      },
    });
  });
  it.each([
    [6, 'eth'],
    [10, 'hotel'],
  ])('a sighting each %i frames is %s, and 0.4 s', (step, format) => {
    const read = readTrack(rows(step), { lat: 60, lng: 10 });
    if (!read.ok) throw new Error(read.problem);
    expect(read.recording.format).toBe(format);
    expect(read.recording.fixes.map(fix => fix.atMs)).toEqual(Array.from({ length: 10 }, (_, i) => i * 400));
    const last = read.recording.fixes.at(-1)!;
    // 18 m north, 9 m east at 60 degrees, where a degree of longitude is half as long.
    expect((last.latE7 - 600_000_000) / 1e7).toBeCloseTo(18 / 111_195, 6);
    expect((last.lngE7 - 100_000_000) / 1e7).toBeCloseTo(18 / 111_195, 6);
  });
});

describe('anything else', () => {
  it.each([
    ['', 'is empty'],
    ['<html>', 'begins with "<html>"'],
    ['{"type":"FeatureCollection"}', 'is not a track file: it begins with "{"type":"FeatureCollection"}"'],
    ['lat,lon,time\n1,2,3', 'begins with "lat,lon,time"'],
    ['\u0000\u0001PNG', 'begins with "??PNG"'],
    [HEADER, 'no positions'],
    [`${HEADER}\n1,23,95,0,1970-01-01 00:00:00.000`, 'line 2'],
    [`${HEADER}\n1,23,NaN,0,1970-01-01 00:00:00.000`, 'line 2'],
    [`${HEADER}\n1,23,37,0,1970-13-01 00:00:00.000`, 'line 2'],
    [`${HEADER}\n1,23,37,0,yesterday`, 'line 2'],
    [`${HEADER}\n1,23,37,0`, 'line 2'],
    [`${rows(6)}\n1 2 3`, 'line 11'],
    [rows(7), 'every 7 frames'],
    [row(1, 1), 'every 0 frames'],
  ])('is a sentence: %j', (text, sentence) => {
    expect(problemOf(text)).toContain(sentence);
    expect(problemOf(text)).toMatch(/\.$/);
  });
  it('a file that is not there', () => {
    expect(readTrackFile('/nowhere/at.all')).toMatchObject({ ok: false });
  });
});

describe('officers', () => {
  const ids = Array.from({ length: 50 }, (_, i) => String(i));
  it('are a share drawn by seed, at least one and never all', () => {
    expect(drawOfficers(ids, 0.1, 1).size).toBe(5);
    expect(drawOfficers(ids, 0.1, 1)).toEqual(drawOfficers(ids, 0.1, 1));
    expect(drawOfficers(ids, 0.1, 1)).not.toEqual(drawOfficers(ids, 0.1, 2));
    expect(drawOfficers(ids, 0, 1).size).toBe(1);
    expect(drawOfficers(ids, 1, 1).size).toBe(49);
    expect(drawOfficers([], 0.1, 1).size).toBe(0);
  });
  it('shares are read', () => {
    expect(['10%', '0.1', '100%', '5 %', '2', 'x'].map(parseShare)).toEqual([0.1, 0.1, 1, null, null, null]);
  });
});

it('the shipped park is what its script makes, and can be read', () => {
  const path = fileURLToPath(new URL('./park.csv', import.meta.url));
  expect(readFileSync(path, 'utf8')).toBe(makePark());
  const read = readTrackFile(path);
  if (!read.ok) throw new Error(read.problem);
  expect(read.recording.ids).toHaveLength(12);
  expect(read.recording.fixes.at(-1)!.atMs).toBe(300_000);
});
