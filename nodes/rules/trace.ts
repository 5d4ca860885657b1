/**
 * The fingerprint of one evaluation: which rule, in which version, was given what and said what. It travels with the
 * movement, so that whoever replays the stored version later can say whether it still gives what it gave.
 */
import { createHash } from 'node:crypto';
import type { Said } from './said.ts';

/** Plain values of an evaluation, by name. */
export type Given = Readonly<Record<string, string | number | boolean>>;

/** Sixteen hexadecimal digits: 64 bits tell apart all evaluations that a town ever makes, and nobody gains by a collision. */
const DIGITS = 16;

const sorted = (values: Readonly<Record<string, unknown>>): [string, unknown][] =>
  Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));

export const traceOf = (id: string, version: number, given: Given, said: Said): string => {
  const { points, values, refusal = null } = said;
  const text = JSON.stringify([id, version, sorted(given), sorted(points), sorted(values), refusal]);
  return createHash('sha256').update(text).digest('hex').slice(0, DIGITS);
};
