/** The end of a trace: the group that made its effect durable, and the log lines when that fails. */
import { expect, it } from 'vitest';
import { MINT_ACCOUNT } from '../actors/durable.ts';
import { at, move } from './contracts/town.ts';
import { LedgerWriter } from './ledgerWriter.ts';
import { MemoryLedger } from './memory/memoryLedger.ts';
import { CommitError, type Log, type Metrics, type Tracer } from './ports.ts';
import { seededRandom, VirtualTime } from './simulation/virtualTime.ts';
import { traceIdOf } from './trace.ts';

const metrics: Metrics = { count() {}, observe() {}, gauge() {} };
const TRACES = [1, 2].map(n => `00-${String(n).repeat(32)}-${String(n).repeat(16)}-01`);

async function start() {
  const time = new VirtualTime();
  const ledger = new MemoryLedger(() => time.nowMs());
  const random = seededRandom(11);
  const [epoch = 0] = await ledger.mint([0], 'me');
  const spans: { name: string; traces: unknown; set: object; ended: (string | undefined)[] }[] = [];
  const tracer: Tracer = {
    begin: () => {
      throw new Error('a trace begins at a door');
    },
    record: (name, traces) => {
      const set: Record<string, unknown> = {};
      const ended: (string | undefined)[] = [];
      spans.push({ name, traces, set, ended });
      return {
        trace: '',
        set: (key, value) => {
          set[key] = value;
        },
        end: failure => ended.push(failure),
      };
    },
  };
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
