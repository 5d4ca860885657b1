/** A recorded crowd: who was where when, in the order in which a replay and its referee both take it. */

export interface TrackFix {
  readonly id: string;
  /** Milliseconds since the first fix of the file. */
  readonly atMs: number;
  readonly latE7: number;
  readonly lngE7: number;
}

export interface Recording {
  readonly format: 'athens' | 'eth' | 'hotel';
  /** By time, then by id. */
  readonly fixes: readonly TrackFix[];
  /** Everybody who appears, sorted. */
  readonly ids: readonly string[];
}

/** Sorts by time, then id; moves the first fix to time 0; of two fixes of one person at one time keeps the first. */
export function toRecording(format: Recording['format'], raw: readonly TrackFix[]): Recording {
  const sorted = raw
    .map((fix, line) => ({ fix, line }))
    .sort((a, b) => a.fix.atMs - b.fix.atMs || compareIds(a.fix.id, b.fix.id) || a.line - b.line)
    .map(({ fix }) => fix);
  const startMs = sorted[0]?.atMs ?? 0;
  const fixes: TrackFix[] = [];
  for (const fix of sorted) {
    const last = fixes.at(-1);
    if (last?.id === fix.id && last.atMs === fix.atMs - startMs) continue;
    fixes.push({ ...fix, atMs: fix.atMs - startMs });
  }
  return { format, fixes, ids: [...new Set(fixes.map(fix => fix.id))].sort(compareIds) };
}

/** Numbers by size, everything else by code unit. */
function compareIds(a: string, b: string): number {
  const difference = Number(a) - Number(b);
  if (Number.isFinite(difference) && difference !== 0) return difference;
  return a < b ? -1 : a > b ? 1 : 0;
}
