/** The people of the demo: who walks where, what each phone has seen, and what it was paid. */
import type { EventBody } from '../../protocol/index.ts';
import { offset, type Point, positionAt } from '../swarm/crowd.ts';
import { Phone } from '../swarm/phone.ts';
import type { Random } from '../swarm/random.ts';
import type { Person } from '../swarm/rest.ts';

export type Completed = EventBody<'encounter.completed'>;

/** The park: a square of so many metres. */
export const PARK_M = 300;
/** Somewhere in Central Park, New York. */
export const PARK: Point = { lat: 40.7812, lng: -73.9665 };
const WALK_MPS = 1.3;

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

/** A person with a phone. */
export class Stroller {
  readonly person: Person;
  readonly path: Path;
  readonly phone: Phone;
  /** How far beside the path of a couple this one walks. */
  readonly #besideM: number;
  /** Officers whom this civilian's phone shows, by id. */
  officers: { readonly officerId: string; readonly handle: string }[] = [];
  /** Meetings that this phone was told of, by id. */
  readonly meetings = new Map<string, Completed>();
  /** Handles of people met. */
  readonly met = new Set<string>();
  busy = false;
  lastMeetingMs = Number.NEGATIVE_INFINITY;
  #townOffsetMs = 0;

  constructor(
    url: string,
    person: Person,
    path: Path,
    besideM: number,
    on: {
      hey: (me: Stroller, hey: EventBody<'hey.received'>) => void;
      meeting: (me: Stroller, meeting: Completed) => void;
      closed: (me: Stroller, reason: string) => void;
    },
  ) {
    this.person = person;
    this.path = path;
    this.#besideM = besideM;
    this.phone = new Phone({
      url,
      identity: person,
      onEvent: event => {
        if (event.name === 'hey.received') on.hey(this, event.body);
        if (event.name !== 'encounter.completed' || this.meetings.has(event.body.encounterId)) return;
        this.meetings.set(event.body.encounterId, event.body);
        this.met.add(event.body.otherHandle);
        this.lastMeetingMs = performance.now();
        on.meeting(this, event.body);
      },
      onVolatile: frame => {
        if (frame.name === 'area.officers') this.officers = frame.body?.officers ?? [];
      },
      onClose: (code, reason) => on.closed(this, `${code} ${reason}`),
    });
  }

  get handle(): string {
    return this.person.handle;
  }

  get isOfficer(): boolean {
    return this.person.kind === 'officer';
  }

  /** Metres north and east of the middle of the park. */
  get place(): { readonly northM: number; readonly eastM: number } {
    return { northM: this.path.northM, eastM: this.path.eastM + this.#besideM };
  }

  async arrive(instant: boolean): Promise<void> {
    const welcome = await this.phone.connect();
    this.#townOffsetMs = welcome.nowMs - Date.now();
    const shared = await this.phone.command('location.share', {}, crypto.randomUUID());
    if (!shared.ok) throw new Error(`${this.handle} cannot share: ${shared.message}`);
    if (!instant) return;
    const set = await this.phone.command('instant.set', { on: true }, crypto.randomUUID());
    if (!set.ok) throw new Error(`${this.handle} cannot switch instant match on: ${set.message}`);
  }

  report(): void {
    const { northM, eastM } = this.place;
    this.phone.position(positionAt(offset(PARK, northM, eastM), Date.now() + this.#townOffsetMs));
  }

  metresTo(other: Stroller): number {
    return Math.hypot(this.place.northM - other.place.northM, this.place.eastM - other.place.eastM);
  }
}
