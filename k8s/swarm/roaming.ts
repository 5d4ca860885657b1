/**
 * A phone that knows every node and stays served: it comes back by itself, to another node when one does not answer,
 * resumes where it was, says a command again under the same key until the outcome is certain, and keeps an eye on what a
 * server must not do: skip an event, repeat one, or answer the same command in two ways.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type CommandBody,
  type CommandName,
  type CommandResult,
  ERROR,
  type OpenedDurable,
  type OpenedVolatile,
  type Refusal,
  type Result,
  type ServerFrame,
} from '../../protocol/index.ts';
import { type Point, positionAt } from './crowd.ts';
import { Phone, type PhoneIdentity, type Welcome } from './phone.ts';
import type { Random } from './random.ts';

export interface RoamingOptions {
  /** WebSocket URLs of the nodes. */
  readonly urls: readonly string[];
  readonly person: PhoneIdentity;
  readonly random: Random;
  /** Where the person stands; without it the phone sends no positions. */
  readonly point?: Point;
  readonly onEvent?: (event: OpenedDurable) => void;
  /** Hears everything, before this phone draws its conclusions. */
  readonly watch?: RoamingWatch;
}

export interface RoamingWatch {
  /** @param node place of its URL in `urls` */
  welcome(frame: Welcome, node: number): void;
  event(event: OpenedDurable, frame: ServerFrame & { type: 'event' }): void;
  volatile(frame: OpenedVolatile): void;
  /** The node is about to stop, and says so. */
  goaway(): void;
  /** A connection is over, also one that was never welcome. */
  closed(code: number, reason: string): void;
}

/** What became of a command that was said until it was certain, or until there was no time left. */
export type Settled<T> =
  | { readonly outcome: 'ok'; readonly value: T; readonly tries: number }
  /** Refused for good: it has not happened, unless an earlier try of it has (`maybe`). */
  | { readonly outcome: 'failed'; readonly refusal: Refusal; readonly maybe: boolean; readonly tries: number }
  /** No certain answer in time. */
  | { readonly outcome: 'unknown'; readonly refusal: Refusal | null; readonly tries: number };

/** Pauses before a retry and a reconnect: doubled each time up to the maximum, and somewhere in the upper half below it. */
const RETRY_MS_MIN = 40;
const RETRY_MS_MAX = 400;
/** One try of a command; above what a gateway takes to say that it does not know. */
const TRY_MS = 4_000;
/** A node that does not even take the connection sleeps, or is cut off from us. WELCOME may take as long as a failover. */
const UPGRADE_MS = 1_500;
/** A position is sent at least this often, whatever the server asks for. */
const POSITION_MS = 20_000;

/** Refused by one node for so long, the phone tries another: this one may be cut off from the rest. */
const PATIENCE_MS = 3_000;

/** Does not keep the process alive. */
const patience = (ms: number): Promise<void> => pause(Math.max(0, ms), undefined, { ref: false });

/** Why a session was closed, as this phone understands it: these end it for good. */
const isFinal = (code: number): boolean => code >= 4_000 && code < 4_100 && code !== 4_004;

export class Roaming {
  readonly person: PhoneIdentity;
  readonly #options: RoamingOptions;
  readonly #phone: Phone;
  #ready = Promise.withResolvers<void>();
  #isReady = false;
  #ending = false;
  #at: number;
  #epoch = '';
  #offset = 0;
  /** Encounters that an event told of; each once, in whatever lineage. */
  readonly #told = new Set<string>();
  #leaving: NodeJS.Timeout | null = null;
  /** Where the node that stops sends us; -1: nowhere in particular. */
  #sentTo = -1;
  nextPositionAt = Number.POSITIVE_INFINITY;
  /** Why the last connection failed or ended, for people who wonder. */
  doing = 'connecting';
  readonly stats = {
    connects: 0,
    resumes: 0,
    /** Events that were lost on the way between two nodes; a resume brought them. */
    gaps: 0,
    positions: 0,
    refusedPositions: 0,
  };
  readonly problems: string[] = [];
  /** Events that come again are passed over, as apps do, and are no problem: somebody forges messages between nodes. */
  toleratesRepeats = false;

  constructor(options: RoamingOptions) {
    this.#options = options;
    this.person = options.person;
    this.#at = options.random.below(options.urls.length);
    this.#phone = new Phone({
      url: () => options.urls[this.#at]!,
      identity: options.person,
      upgradeMsMax: UPGRADE_MS,
      onEvent: (event, frame) => {
        options.watch?.event(event, frame);
        this.#event(event, frame.offset);
      },
      onGap: () => {
        this.stats.gaps++;
        this.#phone.drop();
      },
      onVolatile: frame => {
        options.watch?.volatile(frame);
        if (frame.name !== 'report.next' || frame.body === null) return;
        this.nextPositionAt = performance.now() + Math.min(frame.body.periodS * 1_000, POSITION_MS);
      },
      onRefusal: () => {
        this.stats.refusedPositions++;
      },
      onRaw: frame => {
        if (frame.type === 'goaway') {
          options.watch?.goaway();
          this.#leaveSoon(frame);
        } else if (frame.type === 'welcome') {
          this.#lineage(frame);
          options.watch?.welcome(frame, this.#at);
        }
      },
      onClose: (code, reason) => this.#closed(code, reason),
    });
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Number of the node that this phone is connected to, or tries. */
  get nodeIndex(): number {
    return this.#at;
  }

  /** Resolves when the phone is connected. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Connects, and stays connected until `end`. */
  async open(resume = false): Promise<void> {
    for (let attempt = 0; !this.#ending; attempt++) {
      try {
        this.#welcomed(await this.#phone.connect(resume));
        return;
      } catch (error) {
        this.doing = `node ${this.#at}: ${(error as Error).message}`;
        this.#elsewhere();
        await this.#backOff(attempt);
      }
    }
  }

  /** Before the events that come behind it in the same packet. */
  #lineage({ resumed, epoch, offset }: Welcome): void {
    if (resumed && epoch !== this.#epoch) this.#problem(`resumed in another lineage ${epoch}`);
    if (!resumed) this.#offset = offset;
    this.#epoch = epoch;
  }

  #welcomed(welcome: Welcome): void {
    this.stats.connects++;
    if (welcome.resumed) this.stats.resumes++;
    this.#isReady = true;
    this.doing = 'ready';
    this.#ready.resolve();
    if (this.#options.point !== undefined) void this.#share(welcome.resumed);
  }

  /** Positions count only while shared; an actor that started anew may not know. */
  async #share(resumed: boolean): Promise<void> {
    if (!resumed) {
      const shared = await this.surely('location.share', {}, crypto.randomUUID(), 15_000);
      if (shared.outcome !== 'ok' || this.#ending) return;
    }
    this.nextPositionAt = performance.now();
  }

  #closed(code: number, reason: string): void {
    this.#options.watch?.closed(code, reason);
    if (this.#leaving !== null) clearTimeout(this.#leaving);
    this.#leaving = null;
    const was = this.#isReady;
    this.#isReady = false;
    this.nextPositionAt = Number.POSITIVE_INFINITY;
    this.doing = `closed ${code} ${reason}`;
    if (was) this.#ready = Promise.withResolvers<void>();
    if (this.#ending || !was) return;
    if (isFinal(code)) this.#problem(`the server ended the session for good: ${code} ${reason}`);
    this.#elsewhere();
    void this.#backOff(0).then(() => this.open(true));
  }

  /** The server is about to stop: go elsewhere within the window that it names. */
  #leaveSoon({ delayMinMs, delayMaxMs, url }: ServerFrame & { type: 'goaway' }): void {
    if (this.#leaving !== null) return;
    const { random, urls } = this.#options;
    this.#sentTo = url === null ? -1 : urls.indexOf(url);
    const waitMs = random.between(delayMinMs, Math.max(delayMinMs, delayMaxMs));
    this.#leaving = setTimeout(() => this.#phone.close(), waitMs);
  }

  #elsewhere(): void {
    const { urls, random } = this.#options;
    const sentTo = this.#sentTo;
    this.#sentTo = -1;
    if (sentTo >= 0) this.#at = sentTo;
    else if (urls.length > 1) this.#at = (this.#at + 1 + random.below(urls.length - 1)) % urls.length;
  }

  #backOff(attempt: number, leastMs = 0): Promise<void> {
    const most = Math.min(RETRY_MS_MIN * 2 ** attempt, RETRY_MS_MAX);
    return patience(Math.max(leastMs, most / 2 + (this.#options.random.unit() * most) / 2));
  }

  #event(event: OpenedDurable, offset: number): void {
    if (event.name !== 'snapshot' && offset <= this.#offset && this.toleratesRepeats) return;
    if (event.name !== 'snapshot' && offset <= this.#offset)
      this.#problem(`event ${event.name} with offset ${offset} came after ${this.#offset}`);
    this.#offset = Math.max(offset, this.#offset);
    if (event.name === 'encounter.completed') {
      const id = event.body.encounterId;
      if (this.#told.has(id)) this.#problem(`was told twice of encounter ${id}`);
      this.#told.add(id);
    }
    this.#options.onEvent?.(event);
  }

  #problem(text: string): void {
    if (this.problems.length < 10) this.problems.push(`phone of ${this.person.userId}: ${text}`);
  }

  /** Says a command until it is certain, with one key, wherever there is a node that answers. */
  async surely<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    key: string | null,
    deadlineMs: number,
  ): Promise<Settled<CommandResult<N>>> {
    const end = performance.now() + deadlineMs;
    let refusal: Refusal | null = null;
    let maybe = false;
    let tries = 0;
    let leaveAt = performance.now() + PATIENCE_MS;
    while (!this.#ending) {
      if (!this.#isReady) await Promise.race([this.ready(), patience(end - performance.now())]);
      const left = end - performance.now();
      if (left <= 0) break;
      if (!this.#isReady) continue;
      const phone = this.#phone;
      const askedAt = performance.now();
      const tryMs = Math.min(TRY_MS, left);
      const result: Result<CommandResult<N>> = await phone.command(name, body, key, tryMs);
      tries++;
      if (result.ok) return { outcome: 'ok', value: result.value, tries };
      refusal = result;
      if (result.code === ERROR.timeout) maybe = true;
      else if (!result.retryable) return { outcome: 'failed', refusal, maybe, tries };
      // No word at all, or nothing but refusals: this node sleeps, or the way to it or from it is gone.
      const silent = result.code === ERROR.timeout && performance.now() - askedAt >= TRY_MS - 1;
      if (silent || (performance.now() > leaveAt && result.code !== ERROR.rateLimited)) {
        leaveAt = performance.now() + PATIENCE_MS;
        phone.drop();
      }
      await this.#backOff(Math.min(tries - 1, 8), Math.min(result.retryAfterMs, RETRY_MS_MAX));
    }
    return { outcome: 'unknown', refusal, tries };
  }

  /** Sends where the person stands, when it is time. */
  report(nowMs: number): void {
    if (!this.#isReady || this.nextPositionAt > nowMs || this.#options.point === undefined) return;
    this.nextPositionAt = nowMs + POSITION_MS;
    this.stats.positions++;
    this.#phone.position(positionAt(this.#options.point, Date.now()));
  }

  /** Gone for good. */
  end(): void {
    this.#ending = true;
    if (this.#leaving !== null) clearTimeout(this.#leaving);
    this.#ready.resolve();
    this.#phone.drop();
  }
}
