/**
 * Keeps commands below the rates that the server allows a socket, so that a queue that grew without a connection does
 * not end the next one (429 three times is 4103). Below the limit nothing waits.
 */
import { COMMANDS, type CommandName, type RateClass } from '../../protocol/catalogue.ts';
import { monotonicMs } from './platform.ts';

/** Milliseconds per command, and how many may go at once: a little less than the server's buckets (PROTOCOL.md, 6). */
const PACE: Readonly<Record<RateClass, { readonly everyMs: number; readonly burst: number }>> = {
  command: { everyMs: 55, burst: 30 },
  qr: { everyMs: 1_100, burst: 4 },
  // A few in the life of a connection.
  auth: { everyMs: 0, burst: 1 },
};

export class Pacer {
  private readonly arrivals = new Map<RateClass, number>();

  /** Milliseconds until this command may be said; 0 for now. */
  waitMs(name: CommandName): number {
    const { rate } = COMMANDS[name];
    const { everyMs, burst } = PACE[rate];
    return Math.max(0, Math.ceil((this.arrivals.get(rate) ?? 0) - monotonicMs() - (burst - 1) * everyMs));
  }

  /** It was said. */
  took(name: CommandName): void {
    const { rate } = COMMANDS[name];
    this.arrivals.set(rate, Math.max(this.arrivals.get(rate) ?? 0, monotonicMs()) + PACE[rate].everyMs);
  }
}
