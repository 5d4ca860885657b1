/** Every fault there is, in the order of the catalogue. */
import type { Fault } from '../fault.ts';

export const FAULTS: readonly Fault[] = [];
