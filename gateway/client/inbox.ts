/**
 * Events once, in order and without a gap, over any number of connections.
 *
 * Two numbers tell how far it is: `taken` is the last event that was accepted from a socket, `position` the last one
 * that the app is done with. A handler may take its time: events wait in line, the position (and with it what is
 * stored, acknowledged, and named in the next HELLO) moves only behind it. A WELCOME that does not resume changes
 * nothing by itself: only when its snapshot was delivered does the position move there, so that a connection lost in
 * between asks for the old place again and gets a snapshot again, instead of silently skipping what it stands for.
 */
import { EVENTS } from '../../protocol/catalogue.ts';
import type { Resume, ServerFrame } from '../../protocol/frames.ts';
import { openEvent, openVolatile } from '../../protocol/opening.ts';
import { after, isLater, type Maybe } from './platform.ts';
import type { Message } from './types.ts';

type Welcome = ServerFrame & { type: 'welcome' };

const ACK_EVENTS = 16;
const ACK_MS = 2_000;
/** Events that wait for the app; beyond it the connection is given up, and what is missing comes with the next one. */
const WAITING_MAX = 256;
/** Volatile frames that wait for the app: the newest of so many things. */
const VOLATILE_MAX = 64;
/** Things whose version is remembered, gone or not: an older frame that comes late brings nothing back. */
const VERSIONS_MAX = 512;

interface Waiting {
  readonly message: Message | null;
  /** Where the app is behind it; null for a volatile frame. */
  readonly behind: Resume | null;
  /** Of a volatile frame: a newer one takes its place. */
  readonly key: string | null;
}

export interface InboxDoors {
  /** Gives it to the app; over when every listener is. `record` writes what is to be stored behind it. */
  readonly deliver: (message: Message, behind: Resume | null) => Maybe<unknown>;
  /** Stores the position; false when that failed. */
  readonly save: () => Maybe<boolean>;
  readonly acknowledge: (offset: number) => void;
}

/** What is to be done with the connection after an event. */
export type Verdict = 'fine' | 'gap' | 'unannounced' | 'full';

export class Inbox {
  /** What the app is done with; null before the first snapshot. */
  position: Resume | null = null;
  /** The stream that events are numbered in, and the last one accepted; null before the first snapshot. */
  private stream: Resume | null = null;
  /** A WELCOME did not resume and its snapshot has not come. */
  private awaiting: Welcome | null = null;
  private readonly line: Waiting[] = [];
  private current: Waiting | null = null;
  /** What is stored, as far as we know. */
  private stored: Resume | null = null;
  private readonly versions = new Map<string, number>();
  private connected = false;
  private unacked = 0;
  private ackTimer: ReturnType<typeof setTimeout> | null = null;
  private readonly doors: InboxDoors;

  constructor(doors: InboxDoors) {
    this.doors = doors;
  }

  /** Begins where an earlier run stopped. */
  restore(position: Resume): void {
    this.position = this.stream = this.stored = position;
  }

  /** The last event that was accepted; -1 before the first snapshot. */
  get taken(): number {
    return this.stream?.offset ?? -1;
  }

  /** The place behind an event that is being given, by its latest session. */
  latest(behind: Resume): Resume {
    const sessionId = this.stream?.epoch === behind.epoch ? this.stream.sessionId : behind.sessionId;
    return { ...behind, sessionId };
  }

  /** What a snapshot will say is not known yet. */
  get isAwaiting(): boolean {
    return this.awaiting !== null;
  }

  welcome(frame: Welcome): void {
    const { sessionId, epoch, resumed } = frame;
    this.connected = true;
    this.versions.clear();
    // What waits for the app and could be replaced is of a time that is over: what still holds comes again.
    for (let i = this.line.length - 1; i >= 0; i--) if (this.line[i]!.key !== null) this.line.splice(i, 1);
    this.pauseAck();
    // Resumed: what was missed follows, numbered from our own offset. Otherwise a snapshot stands for all of it.
    this.awaiting = resumed && this.stream?.epoch === epoch ? null : frame;
    if (this.awaiting !== null) return;
    this.stream = { ...this.stream!, sessionId };
    if (this.position !== null) this.position = this.latest(this.position);
  }

  event(frame: ServerFrame & { type: 'event' }): Verdict {
    const { offset, eventId } = frame;
    const snapshot = frame.kind === EVENTS.snapshot.code;
    const { awaiting, stream } = this;
    // Nothing may stand between WELCOME and its snapshot: it would be lost, or heard twice.
    if (awaiting !== null && !snapshot) return 'unannounced';
    if (awaiting === null) {
      if (stream === null) return 'fine';
      if (!snapshot && offset <= stream.offset) return 'fine';
      // A snapshot that was asked for stands for what was heard, and not for what never came.
      if (offset > stream.offset + (snapshot ? 0 : 1)) return 'gap';
    }
    if (this.line.length >= WAITING_MAX) return 'full';
    const { sessionId, epoch } = awaiting ?? stream!;
    this.stream = {
      sessionId,
      epoch,
      offset: awaiting === null ? Math.max(offset, stream!.offset) : offset,
    };
    this.awaiting = null;
    const opened = openEvent(frame);
    const message = opened === null ? null : ({ ...opened, eventId, offset } as Message);
    this.line.push({ message, behind: this.stream, key: null });
    this.advance();
    return 'fine';
  }

  volatile(frame: ServerFrame & { type: 'volatile' }): void {
    const { kind, key, version } = frame;
    const name = `${kind} ${key}`;
    if (version < (this.versions.get(name) ?? 0)) return;
    const opened = openVolatile(frame);
    if (opened === null) return;
    this.remember(name, version);
    const older = this.line.findIndex(one => one.key === name);
    if (older >= 0) this.line.splice(older, 1);
    else if (this.line.filter(one => one.key !== null).length >= VOLATILE_MAX) {
      this.line.splice(
        this.line.findIndex(one => one.key !== null),
        1,
      );
    }
    this.line.push({ message: { ...opened, key, version } as Message, behind: null, key: name });
    this.advance();
  }

  /** The thing that was not heard of for longest is forgotten. */
  private remember(name: string, version: number): void {
    this.versions.delete(name);
    this.versions.set(name, version);
    if (this.versions.size > VERSIONS_MAX) this.versions.delete(this.versions.keys().next().value!);
  }

  /** No connection: acknowledgements wait for the next one, whose HELLO says the same. */
  pause(): void {
    this.connected = false;
    this.awaiting = null;
    this.pauseAck();
  }

  /** What waits is given to nobody: it was not taken, and comes again with the next connection. */
  stop(): void {
    this.pause();
    this.line.length = 0;
    this.stream = this.current?.behind ?? this.position;
  }

  /** As if there had never been an event. */
  forget(): void {
    this.stop();
    this.current = this.position = this.stream = this.stored = null;
  }

  /** Gives what waits, one at a time, until something takes its time. */
  private advance(): void {
    while (this.current === null && this.line.length > 0) {
      const one = this.line.shift()!;
      this.current = one;
      const done = after(one.message === null ? null : this.doors.deliver(one.message, one.behind), () =>
        this.done(one),
      );
      if (isLater(done)) {
        void done.then(() => {
          if (this.current === one) this.current = null;
          this.advance();
        });
        return;
      }
      if (this.current === one) this.current = null;
    }
  }

  private done(one: Waiting): Maybe<void> {
    if (one.behind === null) return;
    const position = this.latest(one.behind);
    const counts = this.current === one;
    if (counts) this.position = position;
    return after(this.doors.save(), saved => {
      if (saved && counts) this.stored = position;
      if (!this.connected) return;
      this.unacked++;
      if (this.unacked >= ACK_EVENTS) this.ackNow();
      else this.ackTimer ??= setTimeout(() => this.ackNow(), ACK_MS);
    });
  }

  /** Says how far it is: never what is not stored. */
  private ackNow(): void {
    this.pauseAck();
    const { stored, stream } = this;
    if (stored !== null && stored.epoch === stream?.epoch) this.doors.acknowledge(stored.offset);
  }

  private pauseAck(): void {
    if (this.ackTimer !== null) clearTimeout(this.ackTimer);
    this.ackTimer = null;
    this.unacked = 0;
  }
}
