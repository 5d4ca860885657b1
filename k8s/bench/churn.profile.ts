/**
 * Load of the churn benchmark: a number of phones that stays the same while some come and as many go each second. A third
 * of those that go say goodbye, a third break their connection, a third fall silent: nothing of theirs is read or answered
 * any more, and only much later their socket is gone. Half of the silent ones are back before the server can know.
 */
import { inParallel } from '../swarm/crowd.ts';
import { Phone, type PhoneIdentity } from '../swarm/phone.ts';
import type { Job } from '../swarm/worker.ts';

export interface ChurnArgs {
  readonly urls: readonly string[];
  readonly people: readonly PhoneIdentity[];
  /** So many of them are connected at any time. */
  readonly live: number;
  /** So many come, and so many go, each second. */
  readonly perS: number;
  readonly warmS: number;
  readonly seconds: number;
  readonly localAddress: string;
}

/** What has happened so far. */
export interface Churned {
  /** Phones that are connected and answer. */
  readonly live: number;
  readonly connects: number;
  readonly resumes: number;
  readonly losses: { readonly clean: number; readonly reset: number; readonly silent: number };
  /** Connects that came to nothing, by what was said. */
  readonly failed: Readonly<Record<string, number>>;
  /** Phones that the server closed although they answered, by code. */
  readonly closed: Readonly<Record<string, number>>;
}

interface Person {
  readonly identity: PhoneIdentity;
  phone: Phone;
  /** Why its socket will close; null while it should not. */
  going: 'clean' | 'reset' | 'silent' | null;
  /** May be back then. */
  backAtMs: number;
}

const HOW = ['clean', 'reset', 'silent'] as const;
const TICK_MS = 50;
const PING_MS = 25_000;
/** Away for so long at least; a silent one for longer than the server's patience (40 s), every second time. */
const AWAY_MS = 3_000;
const SILENT_MS = 60_000;
/** Then even the socket of a silent phone is gone. */
const VANISH_MS = 70_000;

export const run = async (job: Job<ChurnArgs>): Promise<Churned> => {
  const { urls, people, live, perS, warmS, seconds, localAddress } = job.args;
  const { random } = job;
  const stats = {
    connects: 0,
    resumes: 0,
    losses: { clean: 0, reset: 0, silent: 0 },
    failed: {} as Record<string, number>,
    closed: {} as Record<string, number>,
  };
  const connected: Person[] = [];
  const away: Person[] = [];
  const silent: Person[] = [];
  const sockets = new Set<Phone>();
  let connecting = 0;
  let ending = false;

  const make = (person: Omit<Person, 'phone'>): Phone => {
    const phone: Phone = new Phone({
      url: () => random.pick(urls),
      identity: person.identity,
      localAddress,
      onClose: code => {
        sockets.delete(phone);
        const at = connected.findIndex(one => one.phone === phone);
        if (at < 0 || ending) return;
        // Nobody told it to go.
        stats.closed[code] = (stats.closed[code] ?? 0) + 1;
        const [lost] = connected.splice(at, 1);
        lost!.backAtMs = performance.now();
        away.unshift(lost!);
      },
    });
    return phone;
  };
  for (const identity of people) {
    const person = { identity, going: null, backAtMs: 0 } as unknown as Person;
    person.phone = make(person);
    away.push(person);
  }

  const come = async (person: Person): Promise<void> => {
    connecting++;
    try {
      if (person.going === 'silent') person.phone = make(person);
      person.going = null;
      const welcome = await person.phone.connect(true);
      stats.connects++;
      if (welcome.resumed) stats.resumes++;
      sockets.add(person.phone);
      connected.push(person);
    } catch (error) {
      const why = (error as Error).message;
      stats.failed[why] = (stats.failed[why] ?? 0) + 1;
      person.backAtMs = performance.now() + AWAY_MS;
      away.push(person);
    } finally {
      connecting--;
    }
  };
  const next = (): Person | undefined => {
    const nowMs = performance.now();
    if (silent[0] !== undefined && silent[0].backAtMs <= nowMs) return silent.shift();
    if (away[0] !== undefined && away[0].backAtMs <= nowMs) return away.shift();
    return undefined;
  };
  const go = (): void => {
    if (connected.length === 0) return;
    const at = random.below(connected.length);
    const person = connected[at]!;
    connected[at] = connected.at(-1)!;
    connected.pop();
    const nowMs = performance.now();
    const { phone } = person;
    person.going = HOW[(stats.losses.clean + stats.losses.reset + stats.losses.silent) % HOW.length]!;
    stats.losses[person.going]++;
    person.backAtMs = nowMs + AWAY_MS;
    if (person.going === 'clean') phone.close();
    else if (person.going === 'reset') phone.reset();
    else {
      phone.pause();
      setTimeout(() => phone.drop(), VANISH_MS).unref();
      if (stats.losses.silent % 2 === 0) {
        person.backAtMs = nowMs + SILENT_MS;
        silent.push(person);
        return;
      }
    }
    away.push(person);
  };
  /** As many come as are missing. */
  const fill = (): void => {
    while (connected.length + connecting < live) {
      const person = next();
      if (person === undefined) return;
      void come(person);
    }
  };
  const churn = (forS: number): Promise<void> =>
    new Promise(resolve => {
      const startedAt = performance.now();
      let gone = 0;
      const timer = setInterval(() => {
        const elapsedS = Math.min(forS, (performance.now() - startedAt) / 1_000);
        for (; gone < Math.floor(elapsedS * perS); gone++) go();
        fill();
        if (elapsedS < forS) return;
        clearInterval(timer);
        resolve();
      }, TICK_MS);
    });

  const first = away.splice(0, live);
  const { failed } = await inParallel(first, come);
  if (failed > 0) throw new Error(`${failed} phones did not come up`);
  // From now on whoever is missing is replaced, and everybody pings in turn.
  const filler = setInterval(fill, TICK_MS);
  let turn = 0;
  const pinger = setInterval(() => {
    const n = Math.ceil((connected.length * TICK_MS) / PING_MS);
    for (let i = 0; i < n; i++) connected[turn++ % Math.max(1, connected.length)]?.phone.ping();
  }, TICK_MS);
  const told = (): Churned => ({ ...stats, live: connected.length });
  await job.barrier('connected');
  await churn(warmS);
  await job.barrier('warm', told());
  job.watch.begin();
  await churn(seconds);
  await job.barrier('churned', told());
  const end = told();
  clearInterval(filler);
  clearInterval(pinger);
  ending = true;
  for (const phone of sockets) phone.drop();
  return end;
};
