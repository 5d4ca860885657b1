/**
 * A wall clock that can be set from outside while the process runs, for chaos only: loaded before anything else, it moves
 * `Date.now()` and `new Date()` by what a file says, in milliseconds, and leaves the monotonic clock alone, as a machine
 * does whose time is set. The file is named in CHAOS_CLOCK_FILE.
 */
import { readFileSync } from 'node:fs';

const path = process.env.CHAOS_CLOCK_FILE;
const LOOK_MS = 100;

if (path) {
  const Real = globalThis.Date;
  let offsetMs = 0;
  const look = () => {
    try {
      offsetMs = Number(readFileSync(path, 'utf8')) || 0;
    } catch {
      offsetMs = 0;
    }
  };
  look();
  setInterval(look, LOOK_MS).unref();
  const now = () => Real.now() + offsetMs;
  globalThis.Date = new Proxy(Real, {
    apply: () => new Real(now()).toString(),
    construct: (_, args, made) =>
      Reflect.construct(Real, args.length === 0 ? [now()] : args, made === globalThis.Date ? Real : made),
    get: (_, name) => (name === 'now' ? now : Reflect.get(Real, name)),
  });
}
