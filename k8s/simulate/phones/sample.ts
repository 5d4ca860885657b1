/** Scripts made by chance: the same number gives the same ones. */
import fc from 'fast-check';
import { type Script, script, shortScript } from './script.ts';

export const sampleOf = (runs: number, seed: number): Script[] => fc.sample(script, { numRuns: runs, seed });

/** The same for real processes. */
export const shortSampleOf = (runs: number, seed: number): Script[] =>
  fc.sample(shortScript, { numRuns: runs, seed });
