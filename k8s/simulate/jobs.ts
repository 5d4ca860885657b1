/** What goes to a worker and what comes back. */

import type { Profile } from '../../nodes/simulation/profiles.ts';
import type { Report, Violation } from '../../nodes/simulation/world.ts';

export interface Job {
  readonly seed: number;
  readonly nodes: number;
  readonly profile: Profile;
  /** Events told when a promise is broken, or always when `always`. */
  readonly tell: number;
  readonly always: boolean;
}

export interface Outcome {
  readonly job: Job;
  readonly report: Report;
  readonly violations: readonly Violation[];
  readonly events: readonly string[];
  readonly cpuMs: number;
}

export interface WorkerData {
  /** Name of the mutant whose patches are applied to the sources that this worker loads; null for the true ones. */
  readonly mutant: string | null;
}
