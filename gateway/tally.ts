/** Counts of the hot path in plain numbers, handed to the metrics once per sweep: a label costs more than a position. */
import type { Metrics } from '../nodes/ports.ts';
import type { ClientFrame } from '../protocol/frames.ts';
import { eventByKind } from '../protocol/messages.ts';

/** Of so many frames one is measured. */
const MEASURED = 64;

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
  private readonly out = {
    event: 0,
    volatile: 0,
    skipped: 0,
    late: 0,
    replayed: 0,
    welcome: 0,
    reply: 0,
    error: 0,
    ping: 0,
    pong: 0,
    goaway: 0,
    tokenExpiring: 0,
  };
  private readonly conflatedBy = new Map<number, number>();
  private readonly metrics: Metrics;
  private shedPositions = 0;
  private heardFrames = 0;
  private saidFrames = 0;

  constructor(metrics: Metrics) {
    this.metrics = metrics;
  }

  frame(type: ClientFrame['type']): void {
    this.frames[type]++;
  }

  /** A LOCATION, which nearly all frames are. */
  position(): void {
    this.frames.location++;
  }

  /** A position that made room for the next one of its phone before it was read. */
  shed(): void {
    this.shedPositions++;
  }

  /** A message from a phone. */
  heard(bytes: number): void {
    if (this.heardFrames++ % MEASURED === 0) this.metrics.observe('rt_frame_bytes', bytes, { dir: 'in' });
  }

  /** A message to a phone. */
  said(bytes: number): void {
    if (this.saidFrames++ % MEASURED === 0) this.metrics.observe('rt_frame_bytes', bytes, { dir: 'out' });
  }

  event(): void {
    this.out.event++;
  }

  /** Volatile frames that went out. */
  volatile(frames: number): void {
    this.out.volatile += frames;
  }

  /** A volatile message that a phone could not take. */
  skipped(): void {
    this.out.skipped++;
  }

  /** A volatile frame that came after a newer one. */
  late(): void {
    this.out.late++;
  }

  /** A frame that is neither an event nor volatile. */
  told(type: 'welcome' | 'reply' | 'error' | 'ping' | 'pong' | 'goaway' | 'tokenExpiring'): void {
    this.out[type]++;
  }

  /** What a phone gets behind WELCOME: what it missed, or its state. */
  replayed(frames: number): void {
    this.out.replayed += frames;
  }

  /** A volatile frame of this kind that a newer one replaced, or that too many others pushed out. */
  conflated(kind: number): void {
    this.conflatedBy.set(kind, (this.conflatedBy.get(kind) ?? 0) + 1);
  }

  flush(): void {
    const { metrics } = this;
    for (const type of Object.keys(this.frames) as ClientFrame['type'][]) {
      if (this.frames[type] > 0) metrics.count('rt_frames_total', { dir: 'in', type }, this.frames[type]);
      this.frames[type] = 0;
    }
    for (const type of Object.keys(this.out) as (keyof Tally['out'])[]) {
      if (this.out[type] > 0) metrics.count('rt_frames_total', { dir: 'out', type }, this.out[type]);
      this.out[type] = 0;
    }
    for (const [kind, by] of this.conflatedBy)
      metrics.count('rt_conflated_total', { kind: eventByKind(kind)?.name ?? 'unknown' }, by);
    this.conflatedBy.clear();
    if (this.shedPositions > 0) metrics.count('rt_positions_shed_total', {}, this.shedPositions);
    this.shedPositions = 0;
  }
}
