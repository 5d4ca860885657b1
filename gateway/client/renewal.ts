/**
 * Keeps the token of one connection fresh: one chain of attempts at a time, begun by the server's TOKEN EXPIRING, ended
 * with the connection. Whatever fails here, the server closes with 4101 when it is time, and the next connect asks anew.
 */
import { encodeBody } from '../../protocol/body.ts';
import { COMMANDS } from '../../protocol/catalogue.ts';
import type { ServerFrame } from '../../protocol/frames.ts';
import type { Connection } from './connection.ts';
import { surface } from './platform.ts';
import { frameBytes } from './writer.ts';

/** Between attempts that failed; the server gives the last fifth of a token's life, and 25 s. */
const AGAIN_MS = 5_000;
/** An answer that takes longer will not come. */
const ANSWER_MS = 10_000;
/** Not a number that commands have: they count up from 1. */
const CID = 0xffff_fffe;

export interface RenewalDoors {
  /** A token, or null when there is none to be had now; may end the client. */
  readonly token: () => Promise<string | null>;
  /** The connection has a fresh token. */
  readonly renewed: (token: string) => void;
}

export class Renewal {
  private readonly connection: Connection;
  private readonly doors: RenewalDoors;
  private token: string;
  private state: 'calm' | 'asking' | 'waiting' | 'answer' | 'over' = 'calm';
  private fresh = '';
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(connection: Connection, token: string, doors: RenewalDoors) {
    this.connection = connection;
    this.token = token;
    this.doors = doors;
  }

  /** The token ends soon. Said twice, it is one chain all the same. */
  begin(): void {
    if (this.state === 'calm') this.ask().catch(surface);
  }

  /** True when the frame was the answer to the renewal. */
  heard(frame: ServerFrame & { type: 'reply' | 'error' }): boolean {
    if (frame.cid !== CID) return false;
    if (this.state !== 'answer') return true;
    this.calm();
    if (frame.type === 'reply') {
      this.token = this.fresh;
      this.doors.renewed(this.fresh);
    } else if (frame.retryable) this.later(Math.max(AGAIN_MS, frame.retryAfterMs));
    return true;
  }

  stop(): void {
    this.calm();
    this.state = 'over';
  }

  private async ask(): Promise<void> {
    this.state = 'asking';
    const token = await this.doors.token();
    if (this.state !== 'asking') return;
    this.state = 'calm';
    if (token === null) return this.later(AGAIN_MS);
    // The same token lives no longer for being said again.
    if (token === this.token) return;
    this.fresh = token;
    const { code: op, body } = COMMANDS['auth.refresh'];
    this.state = 'answer';
    this.connection.send(
      frameBytes({ type: 'command', cid: CID, op, body: encodeBody(body, { token }), idem: null }),
    );
    this.timer = setTimeout(() => {
      this.calm();
      this.later(0);
    }, ANSWER_MS);
  }

  private later(ms: number): void {
    this.state = 'waiting';
    this.timer = setTimeout(() => {
      this.timer = null;
      this.ask().catch(surface);
    }, ms);
  }

  private calm(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.state = 'calm';
  }
}
