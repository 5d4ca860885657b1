/**
 * A minute in the park: people stroll, civilians greet officers, officers accept or not, codes are shown and scanned,
 * and couples that stand together long enough are matched without a tap.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { EventBody } from '../../protocol/index.ts';
import type { Random } from '../swarm/random.ts';
import type { Stroller } from './people.ts';

export interface Counters {
  positions: number;
  heysSaid: number;
  heysRefused: number;
  heysAccepted: number;
  heysDeclined: number;
  codesScanned: number;
  codesRefused: number;
}

const noCounts = (): Counters => ({
  positions: 0,
  heysSaid: 0,
  heysRefused: 0,
  heysAccepted: 0,
  heysDeclined: 0,
  codesScanned: 0,
  codesRefused: 0,
});

/** Phones report this often: more often than the server asks, for the sake of the map. */
const REPORT_MS = 2_000;
const TICK_MS = 250;
const HEY_MS = 1_500;
const SCAN_MS = 4_000;
/** People greet whom they can see. */
const IN_SIGHT_M = 90;
/** One in seven is declined. */
const DECLINES = 7;

export class CrowdLife {
  readonly counters = noCounts();
  readonly #people: readonly Stroller[];
  readonly #random: Random;
  readonly #couples: ReadonlySet<Stroller>;
  readonly #byHandle: Map<string, Stroller>;
  readonly #under: Promise<void>[] = [];
  readonly #lastReport = new Map<Stroller, number>();

  /** `couples` only walk together: they are here to be matched without a tap. */
  constructor(people: readonly Stroller[], couples: ReadonlySet<Stroller>, random: Random) {
    this.#people = people;
    this.#couples = couples;
    this.#random = random;
    this.#byHandle = new Map(people.map(one => [one.handle, one]));
  }

  /** Strolls, greets and scans until `untilMs` (monotonic), calling `draw` all the time. */
  async live(untilMs: number, draw: () => void): Promise<void> {
    let nextHey = 0;
    let nextScan = performance.now() + SCAN_MS / 2;
    for (let now = performance.now(); now < untilMs; now = performance.now()) {
      this.#stroll(now);
      if (now >= nextHey) {
        nextHey = now + HEY_MS;
        this.#hey();
      }
      if (now >= nextScan) {
        nextScan = now + SCAN_MS;
        this.#scan();
      }
      draw();
      await pause(TICK_MS);
    }
  }

  /** Only strolls: until what is under way has ended and `done` says so, or until `untilMs`. */
  async windDown(untilMs: number, done: () => boolean, draw: () => void): Promise<void> {
    let ended = false;
    const under = Promise.all(this.#under).finally(() => {
      ended = true;
    });
    while (performance.now() < untilMs && !(ended && done())) {
      this.#stroll(performance.now());
      draw();
      await pause(TICK_MS);
    }
    await under;
  }

  #stroll(now: number): void {
    for (const path of new Set(this.#people.map(one => one.path))) path.walk(TICK_MS / 1000);
    for (const one of this.#people) {
      const last = this.#lastReport.get(one) ?? now - this.#random.below(REPORT_MS);
      this.#lastReport.set(one, last);
      if (now - last < REPORT_MS) continue;
      this.#lastReport.set(one, now);
      one.report();
      this.counters.positions++;
    }
  }

  #free(): Stroller[] {
    return this.#people.filter(one => !one.isOfficer && !one.busy && !this.#couples.has(one));
  }

  #busy(one: Stroller, work: () => Promise<void>): void {
    one.busy = true;
    this.#under.push(
      work().finally(() => {
        one.busy = false;
      }),
    );
  }

  /** A civilian greets an officer whom the phone shows, whom he sees not far away, and whom he has not met. */
  #hey(): void {
    const civilians = this.#random.shuffled(this.#free());
    for (const civilian of civilians) {
      const shown = civilian.officers.filter(officer => {
        const seen = this.#byHandle.get(officer.handle);
        return (
          seen !== undefined && !civilian.met.has(officer.handle) && civilian.metresTo(seen) < IN_SIGHT_M
        );
      });
      if (shown.length === 0) continue;
      const officer = this.#random.pick(shown);
      this.#busy(civilian, async () => {
        this.counters.heysSaid++;
        const body = { officerId: officer.officerId };
        const said = await civilian.say('hey.say', body);
        if (!said.ok) this.counters.heysRefused++;
        // Not two heys of one person at a time.
        await pause(3_000);
      });
      return;
    }
  }

  /** An officer's phone shows a hey: he looks at it for a moment, then accepts or declines. */
  readonly heard = (officer: Stroller, hey: EventBody<'hey.received'>): void => {
    const civilian = this.#byHandle.get(hey.civilianHandle);
    const declines = this.#random.below(DECLINES) === 0;
    const thinkMs = this.#random.between(400, 1_500);
    const answer = async (): Promise<void> => {
      await pause(thinkMs);
      const name = declines || civilian === undefined ? 'hey.decline' : 'hey.accept';
      const answered = await officer.say(name, { heyId: hey.heyId });
      if (!answered.ok) this.counters.heysRefused++;
      else if (name === 'hey.accept') this.counters.heysAccepted++;
      else this.counters.heysDeclined++;
    };
    this.#under.push(answer());
  };

  /** Two who are close show and scan a code, either way round. */
  #scan(): void {
    const officers = this.#people.filter(one => one.isOfficer);
    const pairs = this.#free().flatMap(civilian =>
      officers
        .filter(officer => !civilian.met.has(officer.handle))
        .map(officer => ({ civilian, officer, metres: civilian.metresTo(officer) })),
    );
    if (pairs.length === 0) return;
    const { civilian, officer } = pairs.reduce((best, one) => (one.metres < best.metres ? one : best));
    const [shows, scans] = this.#random.below(2) === 0 ? [officer, civilian] : [civilian, officer];
    this.#busy(civilian, async () => {
      const code = await shows.say('qr.show', {});
      const scanned = code.ok && (await scans.say('qr.scan', { token: code.value.token }));
      if (typeof scanned === 'object' && scanned.ok) this.counters.codesScanned++;
      else this.counters.codesRefused++;
    });
  }
}
