/**
 * How long a message takes over the bus: this gateway says a number to itself once a second and hears it again. One clock,
 * the whole way through the connection, the server and the event loop; two of these ways make a question and its answer.
 */
import type { Bus, Clock, Metrics } from '../nodes/ports.ts';

export interface BusLagOptions {
  readonly bus: Bus;
  /** Nobody else hears or says anything here. */
  readonly subject: string;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly metrics: Metrics;
}

const BYTES = 4;

export class BusLag {
  readonly #options: BusLagOptions;
  readonly #silence: () => void;
  #number = 0;
  /** When the newest was said; null when it was heard. An older one that comes late is left out. */
  #saidMs: number | null = null;

  constructor(options: BusLagOptions) {
    this.#options = options;
    this.#silence = options.bus.subscribe(options.subject, bytes => this.#heard(bytes));
  }

  /** Called once a second. */
  say(): void {
    const { bus, subject, clock } = this.#options;
    this.#number = (this.#number + 1) >>> 0;
    const bytes = new Uint8Array(BYTES);
    new DataView(bytes.buffer).setUint32(0, this.#number);
    this.#saidMs = clock.monotonicMs();
    if (!bus.publish(subject, bytes)) this.#saidMs = null;
  }

  stop(): void {
    this.#silence();
  }

  #heard(bytes: Uint8Array): void {
    if (this.#saidMs === null || bytes.length !== BYTES) return;
    if (new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) !== this.#number) return;
    const { clock, metrics } = this.#options;
    metrics.observe('rt_bus_lag_seconds', (clock.monotonicMs() - this.#saidMs) / 1_000);
    this.#saidMs = null;
  }
}
