/** Scripts made by chance: the same number gives the same ones. */
import fc from 'fast-check';
import { type Script, script } from './script.ts';

export const sampleOf = (runs: number, seed: number): Script[] => fc.sample(script, { numRuns: runs, seed });
