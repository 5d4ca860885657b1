/** Invariants stay on in production: a broken one is a bug, and carrying on would hide it. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${what}`);
}
