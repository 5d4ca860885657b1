/**
 * A phone of a person whose app uses the real client (gateway/client): its backoff, its resume, its move to another node
 * before the old socket goes. The app does nothing but write down what it was told; that, and when it was without a
 * socket, is what a run asks about.
 */
import { HeyBlueClient } from '../../gateway/client/client.ts';
import type { Message, Outcome } from '../../gateway/client/types.ts';
import type { ServerFrame } from '../../protocol/index.ts';
import { lose, socketsOf } from './clientSocket.ts';
import { clock } from './clock.ts';
import type { PhoneIdentity } from './phone.ts';
import type { Random } from './random.ts';

type Welcome = Extract<ServerFrame, { type: 'welcome' }>;

export interface ClientPhoneOptions {
  /** WebSocket URLs of the nodes. */
  readonly urls: readonly string[];
  readonly person: PhoneIdentity;
  readonly random: Random;
  readonly localAddress?: string;
  /** Where the client gets its tokens; without it the one of the person, which must outlive the run. */
  readonly token?: () => string | Promise<string>;
}

/** One WELCOME. */
export interface Arrival {
  readonly atMs: number;
  /** Place of the node's URL in `urls`. */
  readonly node: number;
  readonly resumed: boolean;
}

const PROBLEMS_MAX = 10;

export class ClientPhone {
  readonly person: PhoneIdentity;
  readonly client: HeyBlueClient;
  /** Encounters that an event or a snapshot told of. */
  readonly told = new Set<string>();
  readonly arrivals: Arrival[] = [];
  readonly problems: string[] = [];
  /** Times without any welcome socket since `forgetGaps`, the longest of them, milliseconds. */
  longestGapMs = 0;
  /** Each such time that has ended, but not those of somebody who left and came back. */
  readonly gaps: { readonly endedAtMs: number; readonly tookMs: number }[] = [];
  /** Durable events that the app was given, and those that it missed or was given before. */
  events = 0;
  snapshots = 0;
  lost = 0;
  doubled = 0;
  goaways = 0;
  /** Close codes of sockets that were welcome. */
  readonly codes: Record<string, number> = {};
  readonly #urls: readonly string[];
  readonly #welcome = new Set<object>();
  readonly #eventIds = new Set<string>();
  #offset = -1;
  #node = -1;
  /** When the last welcome socket went; 0 while there is one, or before the first. */
  #goneAtMs = 0;
  #ending = false;
  /** Left, and comes back. */
  #away = false;
  /** The socket that went last went because of that. */
  #left = false;
  #ready = Promise.withResolvers<void>();

  constructor({ urls, person, random, localAddress, token = () => person.token }: ClientPhoneOptions) {
    this.person = person;
    this.#urls = urls;
    this.client = new HeyBlueClient({
      url: urls,
      getToken: token,
      deviceId: person.deviceId,
      app: 'heyblue-swarm/1',
      random: () => random.unit(),
      WebSocket: socketsOf({
        ...(localAddress === undefined ? {} : { localAddress }),
        watch: {
          welcome: (frame, url, socket) => this.#welcomed(frame, url, socket),
          goaway: () => {
            this.goaways++;
          },
          closed: (code, _reason, _url, socket) => this.#closed(code, socket),
        },
      }),
    });
    this.client.on('event', message => this.#heard(message));
    this.client.on('state', ({ state, code, reason }) => {
      if (state === 'closed' && !this.#ending && !this.#away)
        this.#problem(`the client ended: ${code} ${reason}`);
    });
    this.client.on('outcome', ({ name }: Outcome) => this.#problem(`an outcome of an earlier run: ${name}`));
  }

  /** Place of the node that welcomed this phone last; -1 before. */
  get node(): number {
    return this.#node;
  }

  /** A socket of this phone is welcome somewhere. */
  get isServed(): boolean {
    return this.#welcome.size > 0;
  }

  /** Resolves with the first WELCOME, or with the first one after `expectArrival`. */
  get arrived(): Promise<void> {
    return this.#ready.promise;
  }

  expectArrival(): void {
    this.#ready = Promise.withResolvers<void>();
  }

  /** Connects, and stays connected. Resolves with the first WELCOME. */
  open(): Promise<void> {
    this.client.connect();
    return this.arrived;
  }

  forgetGaps(): void {
    this.longestGapMs = 0;
  }

  /** The longest time without a welcome socket up to now, one that goes on included. */
  gapMs(): number {
    return Math.max(this.longestGapMs, this.#goneAtMs === 0 ? 0 : clock() - this.#goneAtMs);
  }

  /** The network takes its connection away, without a word to either side; the client comes back by itself. */
  lose(): void {
    for (const socket of this.#welcome) lose(socket);
  }

  /** Somebody puts the phone away, and takes it out again later: a goodbye, and not the end. */
  leave(): void {
    this.#away = true;
    this.#left = true;
    this.client.close();
  }

  comeBack(): void {
    this.#away = false;
    this.client.connect();
  }

  end(): void {
    this.#ending = true;
    this.client.close();
  }

  #welcomed(frame: Welcome, url: string, socket: object): void {
    const atMs = clock();
    this.#welcome.add(socket);
    this.#node = this.#urls.indexOf(url);
    if (this.#goneAtMs !== 0) {
      const tookMs = atMs - this.#goneAtMs;
      this.longestGapMs = Math.max(this.longestGapMs, tookMs);
      if (!this.#left) this.gaps.push({ endedAtMs: atMs, tookMs });
    }
    this.#goneAtMs = 0;
    this.#left = false;
    this.arrivals.push({ atMs, node: this.#node, resumed: frame.resumed });
    this.#ready.resolve();
  }

  #closed(code: number, socket: object): void {
    if (!this.#welcome.delete(socket) || this.#ending) return;
    this.codes[code] = (this.codes[code] ?? 0) + 1;
    if (this.#welcome.size === 0) this.#goneAtMs = clock();
  }

  #heard(message: Message): void {
    if (!('offset' in message)) return;
    if (message.name === 'snapshot') {
      // It stands for everything before it; what follows is counted from there.
      this.snapshots++;
      this.#offset = message.offset;
      for (const one of message.body.encounters) this.told.add(one.encounterId);
      return;
    }
    const { name, eventId, offset } = message;
    this.events++;
    if (this.#eventIds.has(eventId)) {
      this.doubled++;
      this.#problem(`event ${name} ${eventId} came twice`);
    }
    this.#eventIds.add(eventId);
    if (offset <= this.#offset) {
      this.doubled++;
      this.#problem(`event ${name} with offset ${offset} came after ${this.#offset}`);
    } else if (offset > this.#offset + 1) {
      this.lost += offset - this.#offset - 1;
      this.#problem(`event ${name} with offset ${offset} came after ${this.#offset}: a gap`);
    }
    this.#offset = Math.max(offset, this.#offset);
    if (message.name === 'encounter.completed') this.told.add(message.body.encounterId);
  }

  #problem(text: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(`phone of ${this.person.userId}: ${text}`);
  }
}
