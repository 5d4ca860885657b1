/**
 * Events once, in order and without a gap: one that was seen in this epoch is dropped, before a gap the phone resumes, the place is advanced only after the app has
 * had the event, and the server is told every 16 events or 2 seconds. Of volatile frames an older version is dropped.
 */
import type { Resume, ServerFrame } from '../../protocol/frames.ts';
import { openEvent, openVolatile } from '../../protocol/messages.ts';
import type { Message } from './types.ts';

const ACK_EVENTS = 16;
const ACK_MS = 2_000;

export class Inbox {
  /** Where this phone is; null before the first WELCOME. */
  position: Resume | null;
  private readonly versions = new Map<string, number>();
  private unacked = 0;
  private ackTimer: ReturnType<typeof setTimeout> | null = null;
  private readonly deliver: (message: Message) => void;
  private readonly acknowledge: (offset: number) => void;

  constructor(
    resume: Resume | null,
    deliver: (message: Message) => void,
    acknowledge: (offset: number) => void,
  ) {
    this.position = resume;
    this.deliver = deliver;
    this.acknowledge = acknowledge;
  }

  welcome({ sessionId, epoch, offset, resumed }: ServerFrame & { type: 'welcome' }): void {
    this.versions.clear();
    // Resumed: what we missed follows, numbered from our own offset. Otherwise a snapshot stands for all of it.
    this.position = { sessionId, epoch, offset: resumed && this.position ? this.position.offset : offset };
  }

  /** False when an event before this one was lost between two nodes: it is not taken, and a resume brings both. */
  event(frame: ServerFrame & { type: 'event' }): boolean {
    if (this.position === null) return true;
    const opened = openEvent(frame);
    const snapshot = opened?.name === 'snapshot';
    if (frame.offset <= this.position.offset && !snapshot) return true;
    if (frame.offset > this.position.offset + 1 && !snapshot) return false;
    const { eventId, offset } = frame;
    if (opened !== null) this.deliver({ ...opened, eventId, offset } as Message);
    this.position = { ...this.position, offset: Math.max(offset, this.position.offset) };
    this.unacked++;
    if (this.unacked >= ACK_EVENTS) this.ackNow();
    else this.ackTimer ??= setTimeout(() => this.ackNow(), ACK_MS);
    return true;
  }

  volatile(frame: ServerFrame & { type: 'volatile' }): void {
    const { kind, key, version } = frame;
    const name = `${kind} ${key}`;
    if (version < (this.versions.get(name) ?? 0)) return;
    const opened = openVolatile(frame);
    if (opened === null) return;
    if (opened.body === null) this.versions.delete(name);
    else this.versions.set(name, version);
    this.deliver({ ...opened, key, version } as Message);
  }

  /** No connection: acknowledgements wait for the next one, whose HELLO says the same. */
  pause(): void {
    if (this.ackTimer !== null) clearTimeout(this.ackTimer);
    this.ackTimer = null;
    this.unacked = 0;
  }

  private ackNow(): void {
    this.pause();
    if (this.position !== null) this.acknowledge(this.position.offset);
  }
}
