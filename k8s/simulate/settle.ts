/**
 * Empties the queue of microtasks from within one synchronous call, as Node itself does between two callbacks. A simulation
 * calls it after each of a million pieces of work; waiting for the event loop instead (`setImmediate`) would cost fifty
 * times as much, and counting rounds of `await` would let long chains of promises run into the next piece of work.
 *
 * Node gives this function out under an old name. It works only outside of a microtask, so whoever runs a world must come
 * from a macrotask (a timer, a message), and `assertSettles` makes sure that the running Node does what is relied upon.
 */
const drain = (process as unknown as { _tickCallback?: () => void })._tickCallback;

export const settle = (): void => drain?.();

/** Throws when this Node does not settle promises synchronously. Call it from a macrotask. */
export function assertSettles(): void {
  let links = 0;
  void (async () => {
    for (; links < 100; links++) await null;
  })();
  settle();
  if (links !== 100)
    throw new Error('This Node cannot settle promises synchronously; the simulation needs Node 22.');
}
