/**
 * The people of the demo: who walks where, what each phone has seen, and what it was paid. Their phones run the client
 * that an app would: it knows every node, comes back by itself, and keeps what it said until that is answered.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type CommandOutcome, HeyBlueClient, type State } from '../../gateway/client/index.ts';
import type { CommandBody, CommandName, EventBody } from '../../protocol/index.ts';
import { offset, type Point } from '../swarm/crowd.ts';
import type { Random } from '../swarm/random.ts';
import type { Person } from '../swarm/rest.ts';

type Snapshot = EventBody<'snapshot'>;

/** What a phone knows of a meeting, by its event or by a snapshot that stands for events it missed. */
export type Meeting = Pick<
  EventBody<'encounter.completed'>,
  'encounterId' | 'method' | 'otherHandle' | 'points'
> & { readonly message: string };

/** The park: a square of so many metres. */
export const PARK_M = 300;
/** Somewhere in Central Park, New York. */
export const PARK: Point = { lat: 40.7812, lng: -73.9665 };
const WALK_MPS = 1.3;
/** How far a receiver is off, and how good it says that it is. */
const WANDER_M = 1;
const ACCURACY_M = 5;

/** Somebody strolling through the park; people of a couple share one path. */
export class Path {
  northM: number;
  eastM: number;
  #toNorthM: number;
  #toEastM: number;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    [this.northM, this.eastM] = this.#somewhere();
    [this.#toNorthM, this.#toEastM] = this.#somewhere();
  }

  #somewhere(): [number, number] {
    const half = PARK_M / 2 - 10;
    return [this.#random.between(-half, half), this.#random.between(-half, half)];
  }

  walk(seconds: number): void {
    const north = this.#toNorthM - this.northM;
    const east = this.#toEastM - this.eastM;
    const left = Math.hypot(north, east);
    const step = WALK_MPS * seconds;
    if (left <= step) [this.#toNorthM, this.#toEastM] = this.#somewhere();
    else {
      this.northM += (north / left) * step;
      this.eastM += (east / left) * step;
    }
  }
}

/** A command is said until it is answered for good, at most for so long: a town that lost a node takes seconds. */
const SAY_MS = 20_000;
const AGAIN_MS = 250;
const ARRIVE_MS = 15_000;

/** A person with a phone. */
export class Stroller {
  readonly person: Person;
  readonly path: Path;
  readonly #client: HeyBlueClient;
  /** How far beside the path of a couple this one walks. */
  readonly #besideM: number;
  readonly #random: Random;
  readonly #on: { meeting: (me: Stroller, meeting: Meeting) => void };
  /** Officers whom this civilian's phone shows, by id. */
  officers: readonly { readonly officerId: string; readonly handle: string }[] = [];
  /** Meetings that this phone was told of, by id. */
  readonly meetings = new Map<string, Meeting>();
  /** Handles of people met. */
  readonly met = new Set<string>();
  busy = false;
  lastMeetingMs = Number.NEGATIVE_INFINITY;
  /** Connections that broke and had to be made anew. */
  losses = 0;
  /** Meetings that an operator looks at first. */
  readonly held = new Set<string>();
  /** Meetings of earlier days; null before the first snapshot. */
  #before: ReadonlySet<string> | null = null;
  #arrived = false;
  #instant = false;

  constructor(
    urls: readonly string[],
    person: Person,
    path: Path,
    besideM: number,
    random: Random,
    on: {
      hey: (me: Stroller, hey: EventBody<'hey.received'>) => void;
      meeting: (me: Stroller, meeting: Meeting) => void;
      closed: (me: Stroller, reason: string) => void;
    },
  ) {
    this.person = person;
    this.path = path;
    this.#besideM = besideM;
    this.#random = random;
    this.#on = on;
    const { token, deviceId } = person;
    this.#client = new HeyBlueClient({
      url: urls,
      getToken: () => token,
      deviceId,
      app: 'heyblue-demo/2',
      random: () => random.unit(),
    });
    this.#client.on('hey.received', hey => hey && on.hey(this, hey));
    this.#client.on('encounter.completed', meeting => this.#heard(meeting));
    this.#client.on('encounter.held', ({ encounterId }) => void this.held.add(encounterId));
    this.#client.on('snapshot', snapshot => this.#reset(snapshot));
    this.#client.on('area.officers', area => {
      this.officers = area?.officers ?? [];
    });
    this.#client.on('state', ({ state, code, reason }) => {
      if (state === 'suspended') this.losses++;
      if (state === 'closed') on.closed(this, `${code} ${reason}`);
    });
  }

  get handle(): string {
    return this.person.handle;
  }

  get isOfficer(): boolean {
    return this.person.kind === 'officer';
  }

  get state(): State {
    return this.#client.state;
  }

  /** Metres north and east of the middle of the park. */
  get place(): { readonly northM: number; readonly eastM: number } {
    return { northM: this.path.northM, eastM: this.path.eastM + this.#besideM };
  }

  #heard(meeting: Meeting): void {
    if (this.meetings.has(meeting.encounterId)) return;
    this.meetings.set(meeting.encounterId, meeting);
    this.met.add(meeting.otherHandle);
    this.lastMeetingMs = performance.now();
    this.#on.meeting(this, meeting);
  }

  /** The whole state at once: the first one tells what was before, a later one what was missed or forgotten. */
  #reset(snapshot: Snapshot): void {
    this.#before ??= new Set(snapshot.encounters.map(one => one.encounterId));
    for (const one of snapshot.encounters) {
      if (!this.#before.has(one.encounterId)) this.#heard({ ...one, message: '' });
    }
    if (!this.#arrived) return;
    if (!snapshot.sharing) void this.say('location.share', {}, crypto.randomUUID());
    if (this.#instant && !snapshot.instant) void this.say('instant.set', { on: true }, crypto.randomUUID());
  }

  async arrive(instant: boolean): Promise<void> {
    this.#client.connect();
    const end = performance.now() + ARRIVE_MS;
    while (this.state !== 'connected') {
      if (this.state === 'closed' || performance.now() > end) throw new Error(`${this.handle} is not let in`);
      await pause(20);
    }
    const shared = await this.say('location.share', {}, crypto.randomUUID());
    if (!shared.ok) throw new Error(`${this.handle} cannot share: ${shared.message}`);
    this.#arrived = true;
    if (!instant) return;
    const set = await this.say('instant.set', { on: true }, crypto.randomUUID());
    if (!set.ok) throw new Error(`${this.handle} cannot switch instant match on: ${set.message}`);
    this.#instant = true;
  }

  /** Says it, again while that may help, always under the same key. */
  async say<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    key: string = crypto.randomUUID(),
  ): CommandOutcome<N> {
    const end = performance.now() + SAY_MS;
    for (;;) {
      const timeoutMs = Math.max(1, end - performance.now());
      const result = await this.#client.command(name, body, { idem: key, timeoutMs });
      const againMs = result.ok ? 0 : Math.max(AGAIN_MS, result.retryAfterMs);
      if (result.ok || !result.retryable || this.state === 'closed') return result;
      if (performance.now() + againMs >= end) return result;
      await pause(againMs);
    }
  }

  report(): void {
    const { northM, eastM } = this.place;
    // what walks a line to the centimetre is a script, and what it earns is held
    const wander = (): number => this.#random.between(-WANDER_M, WANDER_M);
    const accuracyM = ACCURACY_M + Math.round(wander());
    this.#client.location({ ...offset(PARK, northM + wander(), eastM + wander()), accuracyM });
  }

  leave(): void {
    this.#client.close();
  }

  metresTo(other: Stroller): number {
    return Math.hypot(this.place.northM - other.place.northM, this.place.eastM - other.place.eastM);
  }
}
