/**
 * More commands than a node can do: turns that take their time, on virtual time. A command is three turns here, of its actor,
 * of another one, and of its actor again, as a reservation is several.
 */
import { describe, expect, test } from 'vitest';
import type { ActorKind, Address, Behaviour, ReplyTo, SystemMessage, Turn } from '../actors/turn.ts';
import { ERROR, ok, type Result } from '../protocol/errors.ts';
import { ActorSystem } from './actorSystem.ts';
import { LIMITS } from './limits.ts';
import { soleOwner } from './memory/soleOwner.ts';
import { seededRandom, VirtualTime } from './simulation/virtualTime.ts';

const TURN_MS = 1;
const TURNS = 3;
/** Commands a second. */
const CAPACITY = 1_000 / (TURN_MS * TURNS);
const PEOPLE = 1_000;
const OFFERS = 20;

type Message = { readonly type: 'command' | 'attach' | 'hold' };

/** Said to a node by some who come at a steady rate; what each was told, and how long after. */
interface Told {
  readonly atMs: number;
  readonly tookMs: number;
  readonly result: Result<unknown>;
}

class Town {
  readonly time = new VirtualTime();
  readonly counts = new Map<string, number>();
  /** Commands that were begun. */
  begun = 0;
  readonly system: ActorSystem;

  constructor(isRefusable = true) {
    const quiet = (): void => {};
    const behaviour = (kind: ActorKind): Behaviour<Map<string, ReplyTo | null>, Message> => ({
      kind,
      inPlace: true,
      hydrate: () => null,
      create: () => ok(new Map()),
      ...(isRefusable && { refusable: ({ type }: Message) => type === 'command' }),
      idleMs: () => false,
      receive: (waiting, message, turn) => {
        this.time.spend(TURN_MS);
        this.#turn(waiting, message, turn);
        return waiting;
      },
    });
    const kinds = ['user', 'region', 'area', 'pair', 'offer', 'budget'] as const;
    this.system = new ActorSystem({
      behaviours: Object.fromEntries(kinds.map(kind => [kind, behaviour(kind)])) as never,
      coordinator: soleOwner('n1.0', () => 7, quiet),
      writer: { submit: quiet },
      queries: { query: async () => null },
      sink: { push: quiet, close: quiet },
      clock: this.time,
      scheduler: this.time,
      random: seededRandom(1),
      log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
      metrics: {
        count: (name, labels) => {
          const key = `${name} ${labels?.what}`;
          this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
        },
        observe: quiet,
        gauge: quiet,
      },
    });
  }

  #turn(waiting: Map<string, ReplyTo | null>, message: Message | SystemMessage, turn: Turn): void {
    switch (message.type) {
      case 'command': {
        this.begun++;
        const tag = turn.newId();
        waiting.set(tag, turn.replyTo);
        turn.ask({ kind: 'offer', id: String(this.begun % OFFERS) }, { type: 'hold' }, tag);
        break;
      }
      case 'answer':
        turn.reply(message.result, waiting.get(message.tag) ?? null);
        waiting.delete(message.tag);
        break;
      default:
        turn.reply(ok(null));
    }
  }

  ask(to: Address, type: Message['type'], done: (told: Told) => void = () => {}): void {
    const atMs = this.time.monotonicMs();
    this.system.ask(to, { type }, result => done({ atMs, tookMs: this.time.monotonicMs() - atMs, result }));
  }

  /** Commands of people in turn, so many a second for so long; then until everybody has his answer. */
  load(perS: number, seconds: number): Told[] {
    const told: Told[] = [];
    for (let n = 0; n < perS * seconds; n++) {
      const id = String(n % PEOPLE);
      this.time.after((n * 1_000) / perS, () =>
        this.ask({ kind: 'user', id }, 'command', one => told.push(one)),
      );
    }
    this.pass((seconds + 60) * 1_000);
    expect(told).toHaveLength(Math.ceil(perS * seconds));
    return told;
  }

  pass(ms: number): void {
    this.time.run(this.time.monotonicMs() + ms, () => {});
  }
}

const SECONDS = 30;
/** Behind the first ones, in which any line is short. */
const FROM_MS = 10_000;

/** Of what was asked for when the load had lasted a while: done in time a second as a share of the capacity, and the rest. */
const figures = (told: readonly Told[]) => {
  const late = told.filter(({ atMs }) => atMs >= FROM_MS);
  const done = late.filter(({ result }) => result.ok).length;
  const refused = late.filter(({ result }) => !result.ok && result.code === ERROR.unavailable);
  return {
    goodput: done / (SECONDS - FROM_MS / 1_000) / CAPACITY,
    unknown: late.filter(({ result }) => !result.ok && result.code === ERROR.timeout).length,
    refusedAfterMs: Math.max(0, ...refused.map(({ tookMs }) => tookMs)),
  };
};

describe('a node to which more comes than it can do', () => {
  test.each([1.5, 2, 4, 8])(
    'does what it can at %d times its capacity, and tells the rest at once',
    times => {
      const town = new Town();
      const { goodput, unknown, refusedAfterMs } = figures(town.load(CAPACITY * times, SECONDS));
      expect(goodput).toBeGreaterThan(0.9);
      expect(unknown).toBe(0);
      expect(refusedAfterMs).toBe(0);
    },
  );

  test('that took whatever comes would do hardly anything in time', () => {
    const { goodput, unknown } = figures(new Town(false).load(CAPACITY * 2, SECONDS));
    expect(goodput).toBeLessThan(0.1);
    expect(unknown).toBeGreaterThan(CAPACITY * 2 * 15);
  });

  test('refuses nobody while it can', () => {
    const town = new Town();
    const told = town.load(CAPACITY * 0.9, SECONDS);
    expect(told.every(({ result }) => result.ok)).toBe(true);
    expect(town.counts.size).toBe(0);
  });

  test('takes a burst of what it can do in a second', () => {
    const town = new Town();
    const told: Told[] = [];
    for (let n = 0; n < CAPACITY; n++)
      town.ask({ kind: 'user', id: String(n) }, 'command', one => told.push(one));
    town.pass(5_000);
    expect(told.filter(({ result }) => result.ok)).toHaveLength(told.length);
  });

  test('says when to come again, and not to all at once', () => {
    const told = new Town().load(CAPACITY * 4, 5);
    const waits = told.flatMap(({ result }) => (result.ok ? [] : [result.retryAfterMs]));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(LIMITS.behindRetryMinMs);
    expect(Math.max(...waits)).toBeLessThanOrEqual(LIMITS.behindRetryMaxMs);
    expect(new Set(waits).size).toBeGreaterThan(100);
  });

  test('has done nothing of what it refused, and refuses nothing but what may be', () => {
    const town = new Town();
    const attached: Told[] = [];
    for (let n = 0; n < 100; n++) {
      town.time.after(1_000 + n * 100, () =>
        town.ask({ kind: 'user', id: String(n) }, 'attach', one => attached.push(one)),
      );
    }
    const told = town.load(CAPACITY * 4, 15);
    expect(town.begun).toBe(told.filter(({ result }) => result.ok).length);
    expect(town.counts.get('heyblue_shed_total command')).toBe(told.length - town.begun);
    expect(attached.map(({ result }) => result.ok)).toEqual(new Array(100).fill(true));
  });

  test('starts nobody for what it refuses', () => {
    const town = new Town();
    const told: Told[] = [];
    for (let n = 0; n < CAPACITY * 12; n++) {
      const to = { kind: 'user', id: `one who comes once ${n}` } as const;
      town.time.after((n * 1_000) / (CAPACITY * 4), () => town.ask(to, 'command', one => told.push(one)));
    }
    town.pass(60_000);
    expect(town.begun).toBeLessThan(told.length / 2);
    expect(town.system.count('user')).toBe(town.begun);
  });
});

test('what has its turn when nobody waits for it any more is not begun', () => {
  const town = new Town();
  const told: Told[] = [];
  // the process stands still as soon as it has heard, and then its timers run first
  town.time.after(0, () => town.time.spend(LIMITS.askMs + 1_000));
  town.ask({ kind: 'user', id: 'ann' }, 'command', one => told.push(one));
  town.pass(10_000);
  expect(told.map(({ result }) => !result.ok && result.code)).toEqual([ERROR.timeout]);
  expect([town.begun, town.counts.get('heyblue_shed_total command_late')]).toEqual([0, 1]);
});
