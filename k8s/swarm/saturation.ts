/**
 * Was it the server, or was it us? A generator that is busy itself sends late and reads late, and its figures flatter
 * or blame the wrong process. So each worker watches its own event loop and says when it was the bottleneck.
 */
import { type EventLoopUtilization, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { DELAY_RESOLUTION_MS, GENERATOR_DELAY_P99_MS_MAX, GENERATOR_ELU_MAX } from './limits.ts';

export interface Load {
  /** Share of the time in which the event loop was busy, 0 to 1. */
  readonly utilization: number;
  /** 99th percentile of how late the event loop ran its timers, milliseconds. */
  readonly delayP99Ms: number;
}

/** True when the generator's own lateness may show in the figures. */
export const isSaturated = (load: Load): boolean =>
  load.utilization > GENERATOR_ELU_MAX || load.delayP99Ms > GENERATOR_DELAY_P99_MS_MAX;

/** The worst of several processes. */
export const worstLoad = (loads: readonly Load[]): Load => ({
  utilization: Math.max(0, ...loads.map(load => load.utilization)),
  delayP99Ms: Math.max(0, ...loads.map(load => load.delayP99Ms)),
});

export class SelfWatch {
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  #since: EventLoopUtilization = performance.eventLoopUtilization();

  /** Forgets what was: the measured part begins. */
  begin(): void {
    this.#delay.enable();
    this.#delay.reset();
    this.#since = performance.eventLoopUtilization();
  }

  /** How busy this process was since `begin`. */
  end(): Load {
    this.#delay.disable();
    const { utilization } = performance.eventLoopUtilization(this.#since);
    // The monitor's values contain its own timer's period.
    const p99Ms = this.#delay.count === 0 ? 0 : this.#delay.percentile(99) / 1e6 - DELAY_RESOLUTION_MS;
    return { utilization, delayP99Ms: Math.max(0, p99Ms) };
  }
}
