/** Sums over many seeds, as a table for people and as one line for machines. */
import type { Fault } from '../../nodes/simulation/faults.ts';
import { FAULTS } from '../../nodes/simulation/faults.ts';
import { MUST_FIRE, PROFILES, type Profile } from '../../nodes/simulation/profiles.ts';
import type { Outcome } from './jobs.ts';

/** With fewer seeds of a profile a rare fault may well not have come. */
const SEEDS_FOR_ALL_FAULTS = 150;

class Sums {
  seeds = 0;
  broken = 0;
  ok = 0;
  failed = 0;
  unknown = 0;
  effects = 0;
  steps = 0;
  virtualMs = 0;
  overlapMsMax = 0;
  healMsMax = 0;
  gaps = 0;
  judged = 0;
}

export class Tally {
  readonly #sums = new Map<Profile, Sums>();
  readonly #faults = new Map<Profile, Map<Fault, number>>();

  add({ job, report }: Outcome): void {
    const sums = this.#sums.get(job.profile) ?? new Sums();
    this.#sums.set(job.profile, sums);
    sums.seeds++;
    if (report.violations.length > 0) sums.broken++;
    sums.ok += report.ops.ok;
    sums.failed += report.ops.failed;
    sums.unknown += report.ops.unknown;
    sums.effects += report.effects;
    sums.steps += report.steps;
    sums.virtualMs += report.virtualMs;
    sums.gaps += report.gaps;
    sums.judged += report.judged;
    sums.overlapMsMax = Math.max(sums.overlapMsMax, report.overlapMsMax);
    if (report.healMs > sums.healMsMax) sums.healMsMax = report.healMs;
    const faults = this.#faults.get(job.profile) ?? new Map<Fault, number>();
    this.#faults.set(job.profile, faults);
    for (const [fault, count] of Object.entries(report.faults) as [Fault, number][]) {
      faults.set(fault, (faults.get(fault) ?? 0) + count);
    }
  }

  /** Faults that a profile is there for and that never happened, over enough seeds. */
  neverFired(): { readonly profile: Profile; readonly fault: Fault }[] {
    return [...this.#sums].flatMap(([profile, { seeds }]) =>
      seeds < SEEDS_FOR_ALL_FAULTS
        ? []
        : MUST_FIRE[profile]
            .filter(fault => !this.#faults.get(profile)?.has(fault))
            .map(fault => ({ profile, fault })),
    );
  }

  table(): string[] {
    const head = [
      'profile',
      'seeds',
      'broken',
      'ok',
      'refused',
      'unknown',
      'moved points',
      'gaps',
      'overlap ms',
      'heal s',
    ];
    const rows = PROFILES.flatMap(profile => {
      const s = this.#sums.get(profile);
      if (!s) return [];
      const figures = [s.seeds, s.broken, s.ok, s.failed, s.unknown, s.effects, s.gaps];
      return [[profile, ...figures.map(String), s.overlapMsMax.toFixed(0), (s.healMsMax / 1_000).toFixed(1)]];
    });
    const faults = FAULTS.flatMap(fault => {
      const counts = PROFILES.filter(profile => this.#sums.has(profile)).map(
        profile => this.#faults.get(profile)?.get(fault) ?? 0,
      );
      return counts.some(count => count > 0) ? [[fault, ...counts.map(String)]] : [];
    });
    const profiles = PROFILES.filter(profile => this.#sums.has(profile));
    return [...aligned([head, ...rows]), '', ...aligned([['fault that happened', ...profiles], ...faults])];
  }

  json(): object {
    const profiles = Object.fromEntries([...this.#sums].map(([profile, sums]) => [profile, { ...sums }]));
    const faults = Object.fromEntries(
      [...this.#faults].map(([profile, counts]) => [profile, Object.fromEntries(counts)]),
    );
    return { profiles, faults };
  }
}

/** Columns under each other; the first to the left, figures to the right. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  return rows.map(row =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  '),
  );
}
