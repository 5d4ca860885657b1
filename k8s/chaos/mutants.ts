/**
 * The safeties that chaos switches off, one at a time, to show that its checkers notice. A mutant is a patch of source text,
 * applied while a node of a test start loads it (`mutantHook.ts`): nothing in the product knows of it.
 */
import { join } from 'node:path';
import type { Patch } from '../simulate/mutants.ts';
import { PHONE_MUTANTS, type PhoneMutant } from '../simulate/phones/mutants.ts';
import type { CHECKERS } from './judge.ts';

export interface ChaosMutant {
  readonly name: string;
  /** What is removed, in words. */
  readonly removes: string;
  readonly patches: readonly Patch[];
  /** Faults in which it shows. */
  readonly faults: readonly string[];
  readonly minutes: number;
  /** One of these must have found something. */
  readonly noticed: readonly (keyof typeof CHECKERS)[];
}

export const MUTANTS: readonly ChaosMutant[] = [
  {
    name: 'fence',
    removes: 'PostgreSQL takes commits of an owner that is none any more, and a node goes on after its lease',
    patches: [
      {
        file: 'infra/postgres/migrations/commitGroup.ts',
        find: 'on s.shard = n.shard and s.epoch = n.epoch\n      order by s.shard for share of s',
        replace: 'on s.shard = n.shard\n      order by s.shard for share of s',
      },
      {
        file: 'nodes/cluster/clusterCoordinator.ts',
        find: 'return this.#clock.monotonicMs() < this.#lease.deadlineMs;',
        replace: 'return this.#lease.deadlineMs > 0;',
      },
    ],
    faults: ['zombie', 'partition', 'pause'],
    minutes: 1,
    noticed: ['owners', 'failStop'],
  },
  {
    name: 'gate',
    removes:
      'replies and pushes leave before the commit that they promise, and those of a failed commit all the same',
    patches: [
      // who gives is answered in the turn that makes it durable: harmless, as long as the gate holds the answer
      {
        file: 'actors/user/gifts.ts',
        find: '  turn.persist(entryOf(state.me.id, command, command.points, to, rule), command.key);\n  return begin(state, command);',
        replace: `  turn.persist(entryOf(state.me.id, command, command.points, to, rule), command.key);
  const said = ok({ transferId: gift.id, points: -command.points, balance: spendablePoints(state, turn.nowMs) });
  for (const replyTo of command.replyTo) turn.reply(said, replyTo);
  return begin(state, { ...command, replyTo: [] });`,
      },
      {
        file: 'nodes/outputs.ts',
        find: 'if (gate !== null && !gate.open) for (const output of outputs) gate.hold(output);\n    else this.#leave',
        replace: 'void gate;\n    this.#leave',
      },
    ],
    faults: ['kill-late'],
    minutes: 1,
    noticed: ['acknowledged'],
  },
  {
    name: 'deduplication',
    removes: 'a key that comes again is something new: to the door, to the actor and to the ledger',
    patches: [
      { file: 'actors/user/commands.ts', find: '  if (done) {\n', replace: "  if (done && key === '') {\n" },
      {
        file: 'actors/user/gifts.ts',
        find: 'const id = derivedId(gift.reason, state.me.id, command.key);',
        replace: 'const id = crypto.randomUUID();',
      },
      {
        file: 'infra/postgres/migrations/commitGroup.ts',
        find: 'and (o.request_hash <> n.hash or o.transfer_id <> p_id[n.entry])',
        replace: 'and false',
      },
    ],
    faults: ['deaf-phones'],
    minutes: 1,
    noticed: ['once'],
  },
  {
    name: 'resume',
    removes: 'the newest event that a phone missed is left out when it resumes',
    patches: [
      {
        file: 'actors/user/outbox.ts',
        find: 'missed.map(event => event.bytes)',
        replace: 'missed.map(event => event.bytes).slice(0, -1)',
      },
    ],
    faults: ['deaf-phones'],
    minutes: 1,
    noticed: ['resumes'],
  },
  {
    name: 'order',
    removes: 'rows of the outbox leave for the stream in any order',
    patches: [
      {
        file: 'infra/kinesis/streamTarget.ts',
        find: '    let rest = rows;\n',
        replace: '    let rest: readonly OutboxRow[] = [...rows].reverse();\n',
      },
    ],
    faults: ['cloud-throttle', 'cloud-outage'],
    minutes: 1,
    noticed: ['streams'],
  },
  {
    name: 'drain',
    removes: 'a node that is told to end goes at once: nobody is handed over',
    patches: [
      {
        file: 'nodes/departure.ts',
        find: '      await Promise.race([this.#drainAndTell(), this.#hurry.promise]);\n',
        replace: '',
      },
    ],
    faults: ['scale-down'],
    minutes: 1,
    noticed: ['handover'],
  },
];

/** By name, those of the phones as well: they may be tried among real processes, too. */
export const findMutant = (name: string): ChaosMutant | PhoneMutant => {
  const found = [...MUTANTS, ...PHONE_MUTANTS].find(one => one.name === name);
  if (!found) throw new Error(`there is no mutant ${name}`);
  return found;
};

/** What `startProcesses` is told, so that its nodes load a mutant. */
export const MUTANT_HOOK = join(import.meta.dirname, 'mutantHook.ts');
export const mutantEnv = ({ name }: Pick<ChaosMutant, 'name'>): Record<string, string> => ({
  CHAOS_MUTANT: name,
});
