/**
 * A person with the published client and an app of a few lines, and beside it, listening to the same client, a judge: each
 * event once, in order, without a gap, points that add up. The app has no line of recovery; the judge is not part of it.
 */
import {
  type Granted,
  HeyBlueClient,
  memoryStorage,
  type RestClient,
  type SignUpRequest,
  tokenSource,
} from '../../../gateway/client/index.ts';
import type { Message } from '../../../gateway/client/types.ts';

export interface Seen {
  readonly encounterId: string;
  readonly points: number;
  readonly balance: number;
  readonly balanceVersion: number;
}

export class Traveller {
  readonly handle: string;
  readonly deviceId: string;
  readonly userId: string;
  readonly #granted: Granted;
  readonly client: HeyBlueClient;
  /** What the app shows. */
  points = 0;
  readonly meetings: Seen[] = [];
  /** What the judge found. */
  readonly problems: string[] = [];
  /** Snapshots after the first one: the stream began anew. */
  resyncs = 0;
  /** Why tokens were asked for. */
  readonly asked: string[] = [];
  /** Connections that were lost, and moves that nobody noticed, by state. */
  readonly states: string[] = [];
  #offset = -1;
  #version = -1;
  readonly #ids = new Set<string>();

  constructor(
    urls: readonly string[],
    rest: RestClient,
    { handle, deviceId }: SignUpRequest,
    granted: Granted,
    strict: boolean,
  ) {
    this.handle = handle;
    this.deviceId = deviceId;
    this.userId = granted.userId;
    this.#granted = granted;
    const source = tokenSource(rest, granted);

    // The whole app.
    const client = new HeyBlueClient({
      url: urls,
      deviceId,
      storage: memoryStorage(),
      getToken: reason => {
        this.asked.push(reason);
        return source(reason);
      },
    });
    client.on('resync', ({ balance }) => {
      this.points = balance;
    });
    client.on('encounter.completed', meeting => {
      this.meetings.push(meeting);
      this.points += meeting.points;
    });
    client.connect();
    // That was it.

    this.client = client;
    client.on('event', message => this.#judge(message, strict));
    client.on('state', ({ state, code }) => this.states.push(`${state} ${code}`));
  }

  get token(): string {
    return this.#granted.accessToken;
  }

  #judge(message: Message, strict: boolean): void {
    if (!('offset' in message)) return;
    const { name, offset, eventId } = message;
    const wrong = (words: string): void => void this.problems.push(`${this.handle}: ${words}`);
    if (name === 'snapshot') {
      if (this.#offset >= 0) {
        this.resyncs++;
        if (strict)
          wrong(`a snapshot at ${offset} after ${this.#offset}, ${this.states.slice(-4).join(', ')}`);
      }
      this.#version = message.body.balanceVersion;
    } else {
      if (this.#ids.has(eventId)) wrong(`${name} ${eventId} twice`);
      this.#ids.add(eventId);
      if (offset !== this.#offset + 1) wrong(`${name} ${offset} after ${this.#offset}`);
      if (name === 'encounter.completed') {
        const { balance, balanceVersion } = message.body;
        if (strict && balanceVersion !== this.#version + 1)
          wrong(`version ${balanceVersion} after ${this.#version}`);
        this.#version = balanceVersion;
        if (strict && balance !== this.points) wrong(`shows ${this.points}, was told ${balance}`);
      }
    }
    this.#offset = offset;
  }
}
