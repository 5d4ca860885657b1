/** The runtime's promises, each shown by a town of toy actors on virtual time. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Cell } from '../actors/cell.ts';
import type { DurableOp } from '../actors/durable.ts';
import type { ActorKind, Address, Behaviour, ReplyTo, SystemMessage, Turn } from '../actors/turn.ts';
import { ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import { ActorSystem } from './actorSystem.ts';
import { LIMITS } from './limits.ts';
import { soleOwner } from './memory/soleOwner.ts';
import type { CommitEntry, WriteOutcome } from './ports.ts';
import { seededRandom, VirtualTime } from './simulation/virtualTime.ts';

/** A toy account: every message is handled by the function it carries, so that each test says what its turns do. */
interface Toy {
  readonly count: number;
}
type ToyMessage = {
  readonly type: 'do';
  readonly key?: string;
  readonly act: (state: Toy, turn: Turn) => Toy | void;
};
type Seen = SystemMessage & { readonly at: string };

const op = (id: string): DurableOp => ({
  type: 'transfer',
  id,
  reason: 'test',
  legs: [],
  rule: { id: 'test', version: 1 },
  idempotency: null,
});

class Town {
  readonly time = new VirtualTime();
  readonly seen: Seen[] = [];
  readonly pushed: string[] = [];
  readonly closed: number[] = [];
  readonly operations: { entry: CommitEntry; done: (outcome: WriteOutcome) => void }[] = [];
  readonly hydrations: { id: string; resolve: (value: unknown) => void; reject: (error: Error) => void }[] =
    [];
  readonly errors: string[] = [];
  owned = true;
  holdHydration = false;
  lost: number[] = [];
  idle: number | false = false;
  hydrations_ = 0;
  readonly system: ActorSystem;

  constructor(inPlace = false) {
    const toy = (kind: ActorKind): Behaviour<Toy, ToyMessage> => ({
      kind,
      inPlace,
      hydrate: id => (kind === 'user' ? { type: 'user', id } : null),
      create: (id, _loaded) =>
        id === 'nobody' ? refuse(ERROR.notFound, 'no such account') : ok({ count: 0 }),
      coalesce: message => message.key ?? null,
      idleMs: () => this.idle,
      discarded: (_state, turn) => turn.close([{ gateway: 'g', id: 's' }], 4105, 'reloaded'),
      receive: (state, message, turn) => {
        if (message.type === 'do') return message.act(state, turn) ?? { count: state.count + 1 };
        this.seen.push({ ...message, at: turn.self.id });
        return state;
      },
    });
    const log = (_fields: object, message: string): void => void this.errors.push(message);
    this.system = new ActorSystem({
      behaviours: {
        user: toy('user'),
        region: toy('region'),
        area: toy('area'),
        pair: toy('pair'),
        offer: toy('offer'),
        budget: toy('budget'),
      },
      coordinator: soleOwner(
        'n1.0',
        () => (this.owned ? 7 : null),
        shard => void this.lost.push(shard),
      ),
      writer: { submit: (entry, done) => void this.operations.push({ entry, done }) },
      queries: {
        query: async query => {
          this.hydrations_++;
          if (!this.holdHydration) return {};
          return new Promise((resolve, reject) => {
            this.hydrations.push({ id: 'id' in query ? query.id : '', resolve, reject });
          });
        },
      },
      sink: {
        push: (_sessions, bytes) => void this.pushed.push(new TextDecoder().decode(bytes)),
        close: (_sessions, code) => void this.closed.push(code),
      },
      clock: this.time,
      scheduler: this.time,
      random: seededRandom(1),
      log: { debug: () => {}, info: () => {}, warn: log, error: log },
      metrics: { count: () => {}, observe: () => {}, gauge: () => {} },
    });
  }

  /** Asks; the answers collect in the returned array. */
  ask(
    id: string,
    act: ToyMessage['act'],
    kind: Address['kind'] = 'user',
    timeoutMs?: number,
  ): Result<unknown>[] {
    const answers: Result<unknown>[] = [];
    this.system.ask({ kind, id }, { type: 'do', act }, result => answers.push(result), { timeoutMs });
    return answers;
  }

  tell(id: string, act: ToyMessage['act'], key?: string): void {
    this.system.tell({ kind: 'user', id }, { type: 'do', act, key });
  }

  say = (turn: Turn, word: string): void =>
    turn.push([{ gateway: 'g', id: 's' }], new TextEncoder().encode(word), 'durable');

  commit(index: number): void {
    const { entry, done } = this.operations[index] as Town['operations'][number];
    done({ ok: true, committed: { id: entry.op.id, code: 'created', atMs: 1, postings: [] } });
  }

  fail(index: number, reason: 'unavailable' | 'stale_epoch' | 'rejected' = 'unavailable'): void {
    (this.operations[index] as Town['operations'][number]).done({ ok: false, reason, message: 'as told' });
  }
}

let town: Town;
beforeEach(() => {
  town = new Town();
});

describe('output gate', () => {
  test('nothing that a turn says leaves before its operation is committed', async () => {
    const answers = town.ask('ann', (_state, turn) => {
      town.say(turn, 'points!');
      turn.persist(op('1'), 'one');
      turn.tell(
        { kind: 'pair', id: 'p' },
        { type: 'do', act: () => void town.seen.push({ at: 'p' } as Seen) },
      );
      turn.reply(ok('done'));
    });
    await town.time.advance(100);
    expect([answers, town.pushed, town.seen]).toEqual([[], [], []]);
    town.commit(0);
    await town.time.advance(100);
    expect(answers).toEqual([ok('done')]);
    expect(town.pushed).toEqual(['points!']);
    expect(town.seen.map(message => message.at)).toEqual(['p', 'ann']);
  });

  test('later turns run on, but what they say waits for the earlier operation', async () => {
    let turns = 0;
    town.tell('ann', (_state, turn) => turn.persist(op('1'), 'one'));
    const answers = town.ask('ann', (_state, turn) => {
      turns++;
      turn.reply(ok('second'));
    });
    await town.time.advance(100);
    expect([turns, answers]).toEqual([1, []]);
    town.commit(0);
    await town.time.advance(100);
    expect(answers).toEqual([ok('second')]);
  });

  test('an output waits only for operations made before it, whatever order they commit in', async () => {
    town.tell('ann', (_state, turn) => {
      turn.persist(op('1'), 'one');
      town.say(turn, 'first');
    });
    town.tell('ann', (_state, turn) => {
      turn.persist(op('2'), 'two');
      town.say(turn, 'second');
    });
    await town.time.advance(10);
    town.commit(1);
    await town.time.advance(10);
    expect(town.pushed).toEqual([]);
    town.commit(0);
    await town.time.advance(10);
    expect(town.pushed).toEqual(['first', 'second']);
  });

  test('an earlier output does not wait for a later operation', async () => {
    town.tell('ann', (_state, turn) => {
      turn.persist(op('1'), 'one');
      town.say(turn, 'first');
    });
    town.tell('ann', (_state, turn) => turn.persist(op('2'), 'two'));
    await town.time.advance(10);
    town.commit(0);
    await town.time.advance(10);
    expect(town.pushed).toEqual(['first']);
  });

  test('a failed commit turns what was held into errors, discards the actor and reads it anew', async () => {
    const first = town.ask('ann', (_state, turn) => {
      turn.persist(op('1'), 'one');
      turn.reply(ok('never'));
      town.say(turn, 'never');
    });
    await town.time.advance(10);
    const second = town.ask('ann', () => {});
    await town.time.advance(10);
    town.fail(0);
    await town.time.advance(10);
    for (const answer of [first[0], second[0]]) {
      expect(answer).toMatchObject({ ok: false, code: ERROR.unavailable, retryable: true });
    }
    expect([town.pushed, town.closed]).toEqual([[], [4105]]);
    const after = town.ask('ann', (state, turn) => turn.reply(ok(state.count)));
    await town.time.advance(10);
    expect([after, town.hydrations_]).toEqual([[ok(0)], 2]);
  });

  test('a stale epoch discards every actor of the shard and tells the coordinator', async () => {
    town.tell('ann', (_state, turn) => turn.persist(op('1'), 'one'));
    await town.time.advance(10);
    expect(town.operations[0]?.entry.epoch).toBe(7);
    town.fail(0, 'stale_epoch');
    await town.time.advance(10);
    expect(town.lost).toHaveLength(1);
    expect(town.system.count('user')).toBe(0);
  });

  test('a commit that ends after its actor was discarded changes nothing', async () => {
    town.tell('ann', (_state, turn) => {
      turn.persist(op('1'), 'one');
      turn.persist(op('2'), 'two');
      town.say(turn, 'never');
    });
    await town.time.advance(10);
    town.fail(0);
    town.commit(1);
    await town.time.advance(10);
    expect([town.pushed, town.seen]).toEqual([[], []]);
  });
});

describe('turns', () => {
  test('a throwing handler applies nothing, is answered, and the next message is served from the old state', async () => {
    town.tell('ann', () => {});
    const answers = town.ask('ann', (_state, turn) => {
      town.say(turn, 'never');
      turn.persist(op('1'), 'one');
      throw new Error('a bug');
    });
    const after = town.ask('ann', (state, turn) => turn.reply(ok(state.count)));
    await town.time.advance(10);
    expect(answers).toEqual([refuse(ERROR.internal, 'internal error')]);
    expect([town.pushed, town.operations]).toEqual([[], []]);
    expect(after).toEqual([ok(1)]);
  });

  test('what a turn set in cells stays, and is put back when the turn throws', async () => {
    const [one, other] = [new Cell(0), new Cell('a')];
    town.tell('ann', (_state, turn) => one.set(1, turn));
    town.tell('ann', (_state, turn) => {
      one.set(2, turn);
      other.set('b', turn);
      one.set(3, turn);
      throw new Error('a bug');
    });
    town.tell('ann', () => {
      throw new Error('a bug that changes nothing');
    });
    await town.time.advance(10);
    expect([one.now, other.now]).toEqual([1, 'a']);
  });

  test('an actor that changes in place is started anew after a throw, with the mail that waits', async () => {
    town = new Town(true);
    town.tell('ann', () => {});
    town.tell('ann', () => {
      throw new Error('a bug');
    });
    const after = town.ask('ann', (state, turn) => turn.reply(ok(state.count)));
    await town.time.advance(10);
    expect(after).toEqual([ok(0)]);
  });

  test('after three throws the actor is parked for a while; others are not concerned', async () => {
    for (let i = 0; i < 3; i++) {
      town.tell('ann', () => {
        throw new Error('a bug');
      });
    }
    await town.time.advance(10);
    const parked = town.ask('ann', (_state, turn) => turn.reply(ok('served')));
    const other = town.ask('bob', (_state, turn) => turn.reply(ok('served')));
    await town.time.advance(10);
    expect(parked[0]).toMatchObject({ ok: false, code: ERROR.unavailable, retryable: true });
    expect(other).toEqual([ok('served')]);
    await town.time.advance(2_000);
    const again = town.ask('ann', (_state, turn) => turn.reply(ok('served')));
    await town.time.advance(10);
    expect(again).toEqual([ok('served')]);
  });

  test('an actor may write to itself within its turn, and to whoever writes back', async () => {
    const order: string[] = [];
    const self = { kind: 'user', id: 'ann' } as const;
    town.tell('ann', (_state, turn) => {
      order.push('first');
      turn.tell(self, { type: 'do', act: () => void order.push('self') });
      turn.tell(
        { kind: 'pair', id: 'echo' },
        {
          type: 'do',
          act: (_s: Toy, echo: Turn) => echo.tell(self, { type: 'do', act: () => void order.push('echo') }),
        },
      );
    });
    town.tell('ann', () => void order.push('second'));
    await town.time.advance(10);
    expect(order).toEqual(['first', 'second', 'self', 'echo']);
    town.tell('ann', () => void order.push('later'));
    await town.time.advance(10);
    expect(order.at(-1)).toBe('later');
  });

  test('one busy actor does not starve the others', async () => {
    const order: string[] = [];
    for (let i = 0; i < 200; i++) town.tell('busy', () => void order.push('busy'));
    town.tell('calm', () => void order.push('calm'));
    await town.time.advance(10);
    expect(order).toHaveLength(201);
    expect(order.indexOf('calm')).toBeLessThanOrEqual(64);
  });
});

describe('mailbox', () => {
  test('is bounded: what does not fit is refused, nothing is dropped silently', async () => {
    town.holdHydration = true;
    const answers = Array.from({ length: 300 }, () =>
      town.ask('ann', (_state, turn) => turn.reply(ok('served'))),
    );
    await town.time.advance(1);
    expect(answers.filter(a => a[0]?.ok === false && a[0].code === ERROR.unavailable)).toHaveLength(44);
    town.hydrations[0]?.resolve({});
    await town.time.advance(10);
    expect(answers.filter(a => a[0]?.ok)).toHaveLength(256);
    expect(town.system.stats.mailboxFull).toBe(44);
  });

  test('what somebody waits for goes before what may wait, and a node with much of the latter says that it is behind', async () => {
    const order: string[] = [];
    const people = Array.from({ length: LIMITS.unhurriedActors }, (_, i) => `person ${i}`);
    for (const id of [...people, 'ann']) town.tell(id, () => {});
    await town.time.advance(100);
    for (const id of people) town.tell(id, () => void order.push('fix'), 'location');
    expect(town.system.behind()).toBe(true);
    town.tell('ann', () => void order.push('command'));
    town.tell('person 7', () => void order.push('command'));
    await town.time.advance(10);
    expect(order).toHaveLength(people.length + 2);
    // a person's own position is not overtaken by what it said afterwards
    expect(order.slice(0, 3)).toEqual(['command', 'fix', 'command']);
    expect(town.system.behind()).toBe(false);
  });

  test('messages with the same key coalesce: the newest takes the place of the one that waits', async () => {
    const order: string[] = [];
    town.holdHydration = true;
    town.tell('ann', () => void order.push('fix 1'), 'location');
    town.tell('ann', () => void order.push('command'));
    town.tell('ann', () => void order.push('fix 2'), 'location');
    await town.time.advance(1);
    town.hydrations[0]?.resolve({});
    await town.time.advance(1);
    town.tell('ann', () => void order.push('fix 3'), 'location');
    await town.time.advance(1);
    expect(order).toEqual(['fix 2', 'command', 'fix 3']);
  });
});

describe('activation and passivation', () => {
  test('messages that arrive while an actor is being read wait and are served in order', async () => {
    town.holdHydration = true;
    const order: number[] = [];
    for (const n of [1, 2, 3]) town.tell('ann', () => void order.push(n));
    await town.time.advance(10);
    expect([order, town.hydrations.length]).toEqual([[], 1]);
    town.hydrations[0]?.resolve({});
    await town.time.advance(10);
    expect(order).toEqual([1, 2, 3]);
  });

  test('a store that fails or hangs is a retryable refusal, and the next message tries again', async () => {
    town.holdHydration = true;
    const failed = town.ask('ann', (_state, turn) => turn.reply(ok('served')));
    await town.time.advance(1);
    town.hydrations[0]?.reject(new Error('away'));
    await town.time.advance(1);
    expect(failed[0]).toMatchObject({ ok: false, code: ERROR.unavailable, retryable: true });
    const hung = town.ask('ann', (_state, turn) => turn.reply(ok('served')), 'user', 60_000);
    await town.time.advance(10_000);
    expect(hung[0]).toMatchObject({ ok: false, code: ERROR.unavailable, retryable: true });
  });

  test('an account that does not exist is refused and leaves nothing in memory', async () => {
    const answers = town.ask('nobody', () => {});
    await town.time.advance(10);
    expect(answers).toEqual([refuse(ERROR.notFound, 'no such account')]);
    expect(town.system.count('user')).toBe(0);
  });

  test('an idle actor leaves memory, a message starts it again, and none is lost on the way', async () => {
    town.idle = 1_000;
    let served = 0;
    for (let i = 0; i < 50; i++) {
      town.tell('ann', () => void served++);
      await town.time.advance(900 + i * 4);
    }
    await town.time.advance(5_000);
    expect(served).toBe(50);
    expect(town.system.count('user')).toBe(0);
    expect(town.system.stats.passivated).toBeGreaterThan(1);
  });

  test('an actor with an operation, an answer or an ask under way stays', async () => {
    town.idle = 10;
    let owed: ReplyTo | null = null;
    town.tell('a', (_state, turn) => turn.persist(op('1'), 'one'));
    const answers = town.ask('b', (_state, turn) => void (owed = turn.replyTo), 'user', 60_000);
    town.tell('c', (_state, turn) =>
      turn.ask({ kind: 'pair', id: 'silent' }, { type: 'do', act: () => {} }, 'q', 60_000),
    );
    await town.time.advance(1_000);
    expect(town.system.count('user')).toBe(3);
    town.tell('b', (_state, turn) => turn.reply(ok('late'), owed));
    town.commit(0);
    await town.time.advance(1_000);
    expect(answers).toEqual([ok('late')]);
    expect(town.system.count('user')).toBe(1);
  });

  test('a shard that is not ours starts nothing', async () => {
    town.owned = false;
    const answers = town.ask('ann', () => {});
    await town.time.advance(1);
    expect(answers[0]).toMatchObject({ ok: false, code: ERROR.unavailable, retryable: true });
    expect(town.system.count('user')).toBe(0);
  });
});

describe('asks and timers', () => {
  test('an answer comes back as a message with its tag', async () => {
    town.tell('ann', (_state, turn) =>
      turn.ask(
        { kind: 'pair', id: 'p' },
        { type: 'do', act: (_s: Toy, t: Turn) => t.reply(ok(42)) },
        'question',
      ),
    );
    await town.time.advance(10);
    expect(town.seen).toEqual([{ type: 'answer', tag: 'question', result: ok(42), at: 'ann' }]);
  });

  test('without an answer the asker is told that the outcome is unknown, and a late answer is dropped', async () => {
    let owed: ReplyTo | null = null;
    const answers = town.ask('ann', (_state, turn) => void (owed = turn.replyTo), 'user', 500);
    await town.time.advance(600);
    expect(answers[0]).toMatchObject({ ok: false, code: ERROR.timeout, retryable: true });
    town.tell('ann', (_state, turn) => turn.reply(ok('late'), owed));
    await town.time.advance(10);
    expect(answers).toHaveLength(1);
  });

  test('a timer fires once, is replaced by its name and can be cancelled', async () => {
    const order: string[] = [];
    const later = (word: string): ToyMessage => ({ type: 'do', act: () => void order.push(word) });
    town.tell('ann', (_state, turn) => {
      turn.timer('a', 1_000, later('a'));
      turn.timer('a', 500, later('a again'));
      turn.timer('b', 200, later('b'));
      turn.timer('c', 300, later('c'));
      turn.cancelTimer('c');
    });
    await town.time.advance(400);
    expect(order).toEqual(['b']);
    await town.time.advance(2_000);
    expect(order).toEqual(['b', 'a again']);
  });

  test('a stopping node refuses what waits', async () => {
    const answers = town.ask('ann', () => {});
    await town.time.advance(1);
    town.system.stop();
    const late = town.ask('ann', () => {});
    await town.time.advance(1);
    for (const answer of [answers[0], late[0]]) expect(answer).toMatchObject({ ok: false, retryable: true });
  });
});
