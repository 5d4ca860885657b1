/**
 * Whether the phone is in mode `coarse`, as far as the client can know: by what the app says, by what the server answers, and
 * by the record over the end of a process. In doubt it is: a position that was too coarse is mended by the next one.
 */
import type { CommandName } from '../../protocol/catalogue.ts';
import { ERROR, type Result } from '../../protocol/errors.ts';
import type { ServerFrame } from '../../protocol/frames.ts';
import { openEvent } from '../../protocol/opening.ts';

export class Modes {
  /** Null before anything said it. */
  private coarse: boolean | null = null;
  /** Commands under way that ask for it: it is coarse from then on. */
  private asked = 0;

  get isCoarse(): boolean {
    return this.coarse === true || this.asked > 0;
  }

  /** As the server said last: what the record keeps; commands under way are kept by themselves. */
  get isKnownCoarse(): boolean {
    return this.coarse === true;
  }

  /** Nobody has said yet which mode it is. */
  get isOpen(): boolean {
    return this.coarse === null && this.asked === 0;
  }

  restore(coarse: boolean): void {
    this.coarse ??= coarse;
  }

  said(name: CommandName, body: unknown): void {
    if (asks(name, body)) this.asked++;
  }

  answered(name: CommandName, body: unknown, result: Result<unknown>): void {
    const isAsked = asks(name, body);
    if (isAsked) this.asked--;
    if (result.ok && (name in LEADS_TO || name === 'location.mode')) this.coarse = isAsked;
    // nobody knows whether it happened
    else if (isAsked && !result.ok && result.code === ERROR.timeout) this.coarse = true;
  }

  /** As it came, not as the app is given it: what was answered since is newer. */
  snapshot(frame: ServerFrame & { type: 'event' }): void {
    const opened = openEvent(frame);
    if (opened?.name === 'snapshot') this.coarse = opened.body.mode === 'coarse';
  }
}

/** Commands that lead to another mode when they are done. */
const LEADS_TO = { 'location.share': 'precise', 'location.stop': 'qr', 'hub.checkIn': 'hub' };

const asks = (name: CommandName, body: unknown): boolean =>
  name === 'location.mode' && (body as { readonly mode?: unknown }).mode === 'coarse';
