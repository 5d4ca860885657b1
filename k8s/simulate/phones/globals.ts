/**
 * Code that uses the timers and clocks of its engine (the client does, as apps do; so does the list of revocations), on
 * virtual time. The globals are replaced for one synchronous call only, so nobody else of this process ever sees them.
 */
import type { VirtualTime } from '../../../nodes/simulation/virtualTime.ts';

interface Timer {
  readonly cancel: () => void;
  ref(): Timer;
  unref(): Timer;
}

type Run = (...args: unknown[]) => void;

const NAMES = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'performance',
] as const;

/** Runs `live` with every timer and clock of the engine on `time`; chance comes from `share`. */
export const onVirtualTime = <T>(time: VirtualTime, share: () => number, live: () => T): T => {
  const timer = (cancel: () => void): Timer => {
    const one: Timer = { cancel, ref: () => one, unref: () => one };
    return one;
  };
  const later = (run: Run, ms = 0, ...args: unknown[]): Timer =>
    timer(time.after(Math.max(1, ms), () => run(...args)));
  const each = (run: Run, ms: number, ...args: unknown[]): Timer => {
    let stop = () => {};
    const again = (): void => {
      stop = time.after(Math.max(1, ms), () => {
        again();
        run(...args);
      });
    };
    again();
    return timer(() => stop());
  };
  const soon = (run: Run, ...args: unknown[]): Timer => {
    let on = true;
    time.immediate(() => {
      if (on) run(...args);
    });
    return timer(() => {
      on = false;
    });
  };
  const clear = (one: Timer | null | undefined): void => one?.cancel();
  const ours: Record<(typeof NAMES)[number], unknown> = {
    setTimeout: later,
    clearTimeout: clear,
    setInterval: each,
    clearInterval: clear,
    setImmediate: soon,
    clearImmediate: clear,
    performance: { now: () => time.monotonicMs() },
  };
  const before = NAMES.map(name => [name, Object.getOwnPropertyDescriptor(globalThis, name)!] as const);
  const { now } = Date;
  const { random } = Math;
  try {
    for (const name of NAMES) {
      Object.defineProperty(globalThis, name, { value: ours[name], configurable: true, writable: true });
    }
    Date.now = () => time.nowMs();
    Math.random = share;
    return live();
  } finally {
    for (const [name, descriptor] of before) Object.defineProperty(globalThis, name, descriptor);
    Date.now = now;
    Math.random = random;
  }
};
