/**
 * Positions towards the server: only the newest counts. The first leaves at once, later ones at most each interval, and
 * while there is no connection one is kept for a short while: a position of long ago is not where the phone is. In mode
 * `coarse` only the middle of the cell leaves the phone.
 */
import { COARSE_ACCURACY_DM, coarseOf } from '../../protocol/coarse.ts';
import { degreesToE7, onGlobe } from '../../protocol/coordinates.ts';
import { FIX_FLAG, type Location } from '../../protocol/frames.ts';
import { monotonicMs, wallMs } from './platform.ts';
import type { Position } from './types.ts';

const STALE_MS = 10_000;

const whole = (value: number | null | undefined, factor: number): number | null =>
  value === null || value === undefined || !Number.isFinite(value) ? null : Math.round(value * factor);

export class Tracker {
  private newest: { position: Position; atMs: number } | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private seq = 0;
  private sentMs = Number.NEGATIVE_INFINITY;
  private readonly intervalMs: number;
  /** Said with each position. */
  private readonly quiet: number;
  /** True when it could be sent. */
  private readonly send: (location: Location) => boolean;
  private readonly isCoarse: () => boolean;

  constructor(
    intervalMs: number,
    quiet: boolean,
    isCoarse: () => boolean,
    send: (location: Location) => boolean,
  ) {
    this.isCoarse = isCoarse;
    this.intervalMs = intervalMs;
    this.quiet = quiet ? FIX_FLAG.quiet : 0;
    this.send = send;
  }

  report(position: Position): void {
    this.newest = { position, atMs: monotonicMs() };
    this.flush();
  }

  /** Sends the newest when it may be sent; also called when a connection is there again. */
  flush(): void {
    if (this.timer !== null || this.newest === null) return;
    const nowMs = monotonicMs();
    const waitMs = this.sentMs + this.intervalMs - nowMs;
    if (waitMs > 0) {
      this.timer = setTimeout(() => {
        this.timer = null;
        this.flush();
      }, waitMs);
      return;
    }
    const { position, atMs } = this.newest;
    const stale = position.takenAtMs == null && nowMs - atMs > STALE_MS;
    if (!stale && !this.send(this.located(position))) return;
    this.newest = null;
    if (!stale) this.sentMs = nowMs;
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.newest = null;
  }

  private located(position: Position): Location {
    // Rises over restarts of the app as well: the server drops what falls behind.
    this.seq = Math.max(this.seq + 1, wallMs());
    const { lat, lng, accuracyM, headingDeg, speedMps, takenAtMs, simulated } = position;
    const flags = this.quiet | (simulated === true ? FIX_FLAG.simulated : 0);
    const sharp: Location = {
      seq: this.seq,
      latE7: degreesToE7(lat),
      lngE7: degreesToE7(lng),
      accuracyDm: Math.max(0, Math.round(accuracyM * 10)),
      headingDeg: whole(headingDeg, 1),
      speedDms: whole(speedMps, 10),
      takenAtMs: whole(takenAtMs, 1),
      ...(flags !== 0 && { flags }),
    };
    // what is nowhere is refused as it is
    if (!this.isCoarse() || !onGlobe(sharp.latE7, sharp.lngE7)) return sharp;
    return { ...sharp, ...coarseOf(sharp), accuracyDm: COARSE_ACCURACY_DM, headingDeg: null, speedDms: null };
  }
}
