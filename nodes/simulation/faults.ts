/**
 * Every kind of fault that a world knows, and the count of what really happened. A fault counts when it had its effect
 * (an answer was lost, a message came twice), not when it was planned: a plan that never bites proves nothing.
 */
export const FAULTS = [
  'node crashed',
  'node restarted',
  'node restarted at once, again and again',
  'node drained and stopped',
  'shards went and came back by a crash',
  'node paused below the lease',
  'node paused beyond the lease',
  'machine suspended, clock and all',
  'clock ran fast',
  'clock ran slow',
  'town clock off',
  'message dropped',
  'message doubled',
  'message delayed',
  'message reordered',
  'message to nobody, told',
  'message held by a partition',
  'message lost with its connection',
  'partition both ways',
  'partition outwards',
  'partition inwards',
  'disconnected',
  'bus server restarted',
  'kv write applied, answer lost',
  'kv write not applied, answer lost',
  'kv write applied late, answer lost',
  'kv refused',
  'kv hung',
  'kv stale read',
  'kv watch stalled',
  'kv rewound',
  'kv deleted',
  'kv rubbish',
  'sql failed before',
  'sql failed after',
  'sql broke off, applied later',
  'sql slow',
  'sql lock held',
  'sql away',
  'sql link cut',
  'mint waited for a commit',
  'stale commit refused',
  'phone disconnected',
  'phone moved to another gateway',
  'command sent again with its key',
  'flood refused',
  'link stopped by swizzling',
  'presenter offline',
  'scanner offline',
  'both offline',
  'code scanned by two',
  'scan uploaded twice',
  'scan settled when its time was over',
  'scan came to nothing',
  'position called simulated',
  'held and released',
  'held and rejected',
  'operators differed',
  'mode changed',
  'checked in at a hub',
  'position said while hidden',
  'border crossed with a dwell',
  'region moved with a dwell',
  'region divided with a dwell',
  'regions made one again with a dwell',
  'points and stock set aside',
  'reservation given up',
  'redemption paid',
  'redemption given back',
  'redemption over by its time',
] as const;
export type Fault = (typeof FAULTS)[number];

export class FaultCounts {
  readonly #counts = new Map<Fault, number>();

  hit(fault: Fault, by = 1): void {
    this.#counts.set(fault, (this.#counts.get(fault) ?? 0) + by);
  }

  of(fault: Fault): number {
    return this.#counts.get(fault) ?? 0;
  }

  all(): Partial<Record<Fault, number>> {
    const sorted = FAULTS.filter(fault => this.#counts.has(fault));
    return Object.fromEntries(sorted.map(fault => [fault, this.of(fault)]));
  }
}
