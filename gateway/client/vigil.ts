/**
 * Notices that this device slept or that its clock was set: then timers are late, sockets may be dead without having
 * said so, and deadlines may be over. One slow timer while there is a connection, and a look whenever the app does
 * something.
 */
import { monotonicMs, wallMs } from './platform.ts';

const TICK_MS = 5_000;
/** Wall clocks are corrected by less than this all the time, and busy pages are late by less. */
const JUMP_MS = 4_000;

export class Vigil {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private wall = 0;
  private monotonic = 0;
  private readonly woke: () => void;

  constructor(woke: () => void) {
    this.woke = woke;
  }

  start(): void {
    this.tick();
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  /** The app does something: was there a gap before it? */
  look(): void {
    if (this.timer === null) return;
    const wallGap = wallMs() - this.wall;
    const gap = monotonicMs() - this.monotonic;
    const late = Math.max(wallGap, gap) > TICK_MS + JUMP_MS;
    if (!late && Math.abs(wallGap - gap) <= JUMP_MS) return;
    this.tick();
    this.woke();
  }

  private tick(): void {
    this.stop();
    this.wall = wallMs();
    this.monotonic = monotonicMs();
    this.timer = setTimeout(() => {
      this.look();
      if (this.timer !== null) this.tick();
    }, TICK_MS);
  }
}
