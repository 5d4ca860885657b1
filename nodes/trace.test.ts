/** The way of a trace inside: turns, asks and tells on the way, and the group that made its effect durable at the end. */
import { expect, it } from 'vitest';
import { MINT_ACCOUNT } from '../actors/durable.ts';
import type { Address, Behaviour, Turn } from '../actors/turn.ts';
import { ok } from '../protocol/errors.ts';
import { traceIdOf } from '../protocol/trace.ts';
import { ActorSystem } from './actorSystem.ts';
import { at, move } from './contracts/town.ts';
import { LedgerWriter } from './ledgerWriter.ts';
import { MemoryLedger } from './memory/memoryLedger.ts';
import { soleOwner } from './memory/soleOwner.ts';
import { CommitError, type Log, type Metrics, type Tracer } from './ports.ts';
import { seededRandom, VirtualTime } from './simulation/virtualTime.ts';

const metrics: Metrics = { count() {}, observe() {}, gauge() {} };
const TRACES = [1, 2].map(n => `00-${String(n).repeat(32)}-${String(n).repeat(16)}-01`);

interface Noted {
  readonly name: string;
  readonly traces: unknown;
  readonly set: Record<string, unknown>;
  readonly ended: (string | undefined)[];
}

/** Notes what is recorded; each span is named by its number in the row. */
function noting(): { spans: Noted[]; tracer: Tracer } {
  const spans: Noted[] = [];
  const tracer: Tracer = {
    begin: () => {
      throw new Error('a trace begins at a door');
    },
    record: (name, traces) => {
      if (!traces) return null;
      const span: Noted = { name, traces, set: {}, ended: [] };
      spans.push(span);
      return {
        trace: `span ${spans.length}`,
        set: (key, value) => {
          span.set[key] = value;
        },
        end: failure => span.ended.push(failure),
      };
    },
  };
  return { spans, tracer };
}

async function start() {
  const time = new VirtualTime();
  const ledger = new MemoryLedger(() => time.nowMs());
  const random = seededRandom(11);
  const [epoch = 0] = await ledger.mint([0], 'me');
  const { spans, tracer } = noting();
  const lines: object[] = [];
  const note = (fields: object) => lines.push(fields);
  const log: Log = { debug() {}, info() {}, warn: note, error: note };
  const faults: CommitError[] = [];
  const store = {
    commit: async (entries: Parameters<MemoryLedger['commit']>[0]) => {
      const fault = faults.shift();
      if (fault) throw fault;
      return ledger.commit(entries);
    },
    lookup: (ops: Parameters<MemoryLedger['lookup']>[0]) => ledger.lookup(ops),
  };
  const writer = new LedgerWriter({ store, scheduler: time, clock: time, log, metrics, tracer });
  const give = (trace: string | null): Promise<unknown> => {
    const id = random.uuid(time.nowMs());
    ledger.openAccount(id);
    const op = move(random.uuid(time.nowMs()), MINT_ACCOUNT, id, 1);
    return new Promise(resolve => writer.submit({ ...at(0, epoch, op), trace }, resolve));
  };
  return { time, spans, lines, faults, give };
}

it('a group is one span that names the traces of its entries', async () => {
  const { time, spans, give } = await start();
  const done = Promise.all([give(TRACES[0]!), give(null), give(TRACES[1]!)]);
  await time.advance(1_000);
  await done;
  expect(spans).toEqual([
    {
      name: 'ledger.commit',
      traces: [TRACES[0], null, TRACES[1]],
      set: { 'heyblue.entries': 3 },
      ended: [undefined],
    },
  ]);
});

it('each try is a span of its own, and what goes wrong says its trace', async () => {
  const { time, spans, lines, faults, give } = await start();
  faults.push(new CommitError('unavailable', 'away'), new CommitError('poison', 'no such thing'));
  const done = give(TRACES[1]!);
  await time.advance(5_000);
  expect(await done).toMatchObject({ ok: false, reason: 'rejected' });
  expect(spans.map(span => span.ended)).toEqual([['unavailable'], ['poison']]);
  expect(lines).toHaveLength(3);
  for (const line of lines) expect(line).toMatchObject({ trace: traceIdOf(TRACES[1]) });
});

/** Actors that do what a message says, on virtual time. */
function toys() {
  const time = new VirtualTime();
  const { spans, tracer } = noting();
  const lines: object[] = [];
  const committed: (string | null | undefined)[] = [];
  type Do = { readonly type: string; readonly act: (turn: Turn) => void };
  const toy = (kind: Address['kind']): Behaviour<null, Do> => ({
    kind,
    inPlace: false,
    hydrate: () => null,
    create: () => ok(null),
    idleMs: () => false,
    receive: (state, message, turn) => {
      if (message.type === 'do') (message as Do).act(turn);
      return state;
    },
  });
  const system = new ActorSystem({
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
      () => 7,
      () => {},
    ),
    writer: {
      submit: ({ op, trace }, done) => {
        committed.push(trace);
        time.immediate(() =>
          done({ ok: true, committed: { id: op.id, code: 'created', atMs: 1, postings: [] } }),
        );
      },
    },
    queries: { query: async () => null },
    sink: { push() {}, close() {} },
    clock: time,
    scheduler: time,
    random: seededRandom(3),
    log: { debug() {}, info() {}, warn() {}, error: fields => lines.push(fields) },
    metrics,
    tracer,
  });
  const ask = (id: string, act: Do['act'], trace?: string): Promise<unknown> =>
    new Promise(resolve => system.ask({ kind: 'user', id }, { type: 'do', act }, resolve, { trace }));
  const tell = (id: string, act: Do['act'], trace?: string) =>
    system.tell({ kind: 'user', id }, { type: 'do', act }, { trace });
  return { time, spans, lines, committed, ask, tell };
}

it('the turns of traced asks are spans, one below the other; the entry belongs to the turn that made it', async () => {
  const { time, spans, committed, ask } = toys();
  const give = (turn: Turn) => {
    turn.persist(move('x', 'a', 'b', 1), 'x');
    turn.reply(ok(1));
  };
  const answer = ask(
    'ann',
    turn => {
      turn.ask({ kind: 'pair', id: 'p' }, { type: 'do', act: give }, 'given');
      turn.reply(ok('asked'));
    },
    TRACES[0],
  );
  await time.advance(100);
  expect(await answer).toEqual(ok('asked'));
  expect(spans).toEqual([
    { name: 'turn user', traces: TRACES[0], set: { 'heyblue.message': 'do' }, ended: [undefined] },
    { name: 'turn pair', traces: 'span 1', set: { 'heyblue.message': 'do' }, ended: [undefined] },
  ]);
  expect(committed).toEqual(['span 2']);
});

it('a tell passes the trace on and is no span; without a trace nothing is', async () => {
  const { time, spans, committed, ask, tell } = toys();
  const give = (turn: Turn) => turn.persist(move('x', 'a', 'b', 1), 'x');
  tell('ann', turn => turn.tell({ kind: 'user', id: 'bob' }, { type: 'do', act: give }), TRACES[0]);
  void ask('cem', give);
  await time.advance(100);
  expect(spans).toEqual([]);
  expect([...committed].sort()).toEqual([TRACES[0], null]);
});

it('a turn that throws is a failed span, and its log line names the trace', async () => {
  const { time, spans, lines, ask } = toys();
  const answer = ask(
    'ann',
    () => {
      throw new Error('a bug');
    },
    TRACES[1],
  );
  await time.advance(100);
  expect(await answer).toMatchObject({ ok: false });
  expect(spans.map(span => span.ended)).toEqual([['threw']]);
  expect(lines).toMatchObject([{ trace: traceIdOf(TRACES[1]) }]);
});
