/**
 * What phones are told of each other's presence while a hey is open between their people (h): versions never go back, nobody
 * is called gone while somebody holds his phone or has just lost it, and who is gone does not stay as a ghost.
 */
import { ACTOR_LIMITS } from '../../../actors/limits.ts';
import { EVENTS } from '../../../protocol/catalogue.ts';
import type { ServerFrame } from '../../../protocol/frames.ts';
import { openVolatile } from '../../../protocol/messages.ts';

type State = 'online' | 'away' | 'offline';

interface Told {
  readonly state: State;
  readonly version: number;
}

/** An open hey, as the person sees it who is told of the other. */
interface Seen {
  readonly observer: string;
  readonly other: string;
  told: Told | null;
}

/** Clocks of machines differ by as much, and a socket is looked for as seldom. */
const SLACK_MS = 500;

export class Peers {
  readonly #nowMs: () => number;
  readonly #fail: (words: string) => void;
  readonly #count: (what: string) => void;
  /** By hey and observer. */
  readonly #seen = new Map<string, Seen>();
  /** When a gateway held a socket of a person last, world milliseconds. */
  readonly #heldMs = new Map<string, number>();

  constructor(nowMs: () => number, fail: (words: string) => void, count: (what: string) => void) {
    this.#nowMs = nowMs;
    this.#fail = fail;
    this.#count = count;
  }

  /** From now on one of the two whose hey is open is told of the other. */
  greeted(heyId: string, observer: string, other: string): void {
    this.#seen.set(`${heyId} ${observer}`, { observer, other, told: null });
  }

  /** A gateway has a socket of this person now. */
  held(userId: string): void {
    this.#heldMs.set(userId, this.#nowMs());
  }

  /** A phone of this person was told something that is not kept. */
  heard(userId: string, frame: ServerFrame & { type: 'volatile' }): void {
    if (frame.kind !== EVENTS['peer.presence'].code) return;
    const seen = this.#seen.get(`${frame.key} ${userId}`);
    const opened = openVolatile(frame);
    if (seen === undefined || opened?.name !== 'peer.presence' || opened.body === null) return;
    const told: Told = { state: opened.body.state as State, version: frame.version };
    this.#count(`peer told: ${told.state}`);
    const before = seen.told;
    if (before !== null && told.version < before.version)
      this.#fail(`${userId} is told version ${told.version} of a peer after ${before.version}`);
    if (before?.version === told.version && before.state !== told.state)
      this.#fail(`${userId} is told version ${told.version} as ${before.state} and as ${told.state}`);
    seen.told = told;
    const awayMs = this.#nowMs() - (this.#heldMs.get(seen.other) ?? Number.NEGATIVE_INFINITY);
    if (told.state === 'offline' && awayMs < ACTOR_LIMITS.graceMs - SLACK_MS)
      this.#fail(`${seen.other} is called gone ${Math.round(awayMs)} ms after somebody held the phone`);
  }

  /** All is quiet. Of these observers it is known that nothing which they were to be told of these people was lost. */
  judgeGone(observers: ReadonlySet<string>, gone: ReadonlySet<string>): void {
    for (const { observer, other, told } of this.#seen.values()) {
      if (!observers.has(observer) || !gone.has(other)) continue;
      this.#count('ghost looked for');
      if (told?.state !== 'offline')
        this.#fail(`${observer} takes ${other} for ${told?.state ?? 'online'}, who is gone`);
    }
  }
}
