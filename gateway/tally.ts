/** Counts of the hot path in plain numbers, handed to the metrics once per sweep: a label costs more than a position. */
import type { Metrics } from '../nodes/ports.ts';
import type { ClientFrame } from '../protocol/frames.ts';

export class Tally {
  private readonly frames: Record<ClientFrame['type'], number> = {
    hello: 0,
    command: 0,
    ack: 0,
    location: 0,
    ping: 0,
    pong: 0,
    clientState: 0,
    batch: 0,
  };
  private durableOut = 0;
  private volatileOut = 0;
  private skippedOut = 0;
  private readonly metrics: Metrics;

  constructor(metrics: Metrics) {
    this.metrics = metrics;
  }

  frame(type: ClientFrame['type']): void {
    this.frames[type]++;
  }

  pushed(volatile: boolean): void {
    if (volatile) this.volatileOut++;
    else this.durableOut++;
  }

  skipped(): void {
    this.skippedOut++;
  }

  flush(connections: number): void {
    for (const type of Object.keys(this.frames) as ClientFrame['type'][]) {
      if (this.frames[type] > 0)
        this.metrics.count('rt_frames_total', { dir: 'in', type }, this.frames[type]);
      this.frames[type] = 0;
    }
    const out: [string, number][] = [
      ['event', this.durableOut],
      ['volatile', this.volatileOut],
      ['skipped', this.skippedOut],
    ];
    for (const [type, by] of out) if (by > 0) this.metrics.count('rt_frames_total', { dir: 'out', type }, by);
    this.durableOut = 0;
    this.volatileOut = 0;
    this.skippedOut = 0;
    this.metrics.gauge('rt_connections', connections);
  }
}
