/** What every part of the load shares, and how an op is written down when its outcome is known. */
import type { CommandBody, CommandName, CommandResult, Refusal } from '../../../protocol/index.ts';
import type { Random } from '../../swarm/random.ts';
import type { OpName, OpOutcome, OpRecord, Recorder } from '../history.ts';
import type { ChaosTarget } from '../target.ts';
import { CERTAIN_MS } from './limits.ts';
import type { People } from './people.ts';
import { type Post, postSurely } from './surely.ts';
import type { WatchedPhone } from './watchedPhone.ts';

/** An op as it is asked. */
export interface Asked {
  readonly op: OpName;
  readonly other: string | null;
  readonly points: number | null;
  readonly key?: string;
  readonly deadlineMs?: number;
}

/** What an answer says of an op. */
export interface Meaning {
  readonly named: string | null;
  readonly points?: number;
  readonly balance: number | null;
}

export interface Done<T> {
  readonly outcome: OpOutcome;
  readonly value: T | null;
  readonly refusal: Refusal | null;
  readonly why: string | null;
}

export class LoadContext {
  readonly target: ChaosTarget;
  readonly people: People;
  readonly random: Random;
  readonly recorder: Recorder;
  readonly phones = new Map<string, WatchedPhone>();
  readonly contradictions: string[] = [];
  readonly counts = { attempted: 0, ok: 0, fail: 0, unknown: 0 };

  constructor(target: ChaosTarget, people: People, random: Random, recorder: Recorder) {
    this.target = target;
    this.people = people;
    this.random = random;
    this.recorder = recorder;
  }

  nowMs = (): number => this.target.nowMs();

  phone(userId: string): WatchedPhone {
    return this.phones.get(userId)!;
  }

  /** Says a command until it is certain. @param dueMs when it was due */
  async command<N extends CommandName>(
    phone: WatchedPhone,
    name: N,
    body: CommandBody<N>,
    asked: Asked,
    meaning: (value: CommandResult<N>) => Meaning,
    dueMs = this.nowMs(),
  ): Promise<Done<CommandResult<N>>> {
    const { op, key = crypto.randomUUID(), deadlineMs = CERTAIN_MS } = asked;
    this.counts.attempted++;
    const settled = await phone.roaming.surely(name, body, op === 'ask' ? null : key, deadlineMs);
    const refusal = settled.outcome === 'ok' ? null : settled.refusal;
    // refused in the end, but an earlier try had no answer: that one may have happened
    const outcome = settled.outcome === 'failed' ? (settled.maybe ? 'unknown' : 'fail') : settled.outcome;
    const value = settled.outcome === 'ok' ? settled.value : null;
    const why =
      outcome === 'ok' ? null : refusal === null ? phone.roaming.doing : `${refusal.code} ${refusal.message}`;
    const said = value === null ? null : meaning(value);
    const node = settled.tries === 0 ? null : phone.node;
    const { tries } = settled;
    this.#record(phone, asked, dueMs, said, { id: key, way: 'socket', outcome, node, tries, why });
    return { outcome, value, refusal, why };
  }

  /** The same over REST. */
  async post(
    phone: WatchedPhone,
    path: string,
    body: object | undefined,
    asked: Asked,
    meaning: (body: Readonly<Record<string, unknown>>) => Meaning,
    dueMs = this.nowMs(),
  ): Promise<Done<Readonly<Record<string, unknown>>>> {
    const { key = crypto.randomUUID(), deadlineMs = CERTAIN_MS } = asked;
    this.counts.attempted++;
    const post: Post = { path, token: phone.person.token, key, ...(body && { body }) };
    const said = await postSurely(this.target.nodes, this.random, post, deadlineMs);
    const { outcome, why } = said;
    const meant = said.outcome === 'ok' && said.body !== null ? meaning(said.body) : null;
    const { node, tries } = said;
    this.#record(phone, asked, dueMs, meant, { id: key, way: 'rest', outcome, node, tries, why });
    return { outcome, value: outcome === 'ok' ? said.body : null, refusal: null, why };
  }

  #record(
    phone: WatchedPhone,
    { op, other, points }: Asked,
    dueMs: number,
    meant: Meaning | null,
    ended: Pick<OpRecord, 'id' | 'way' | 'outcome' | 'node' | 'tries' | 'why'>,
  ): void {
    const answered_ms = this.nowMs();
    this.counts[ended.outcome]++;
    this.recorder.add({
      type: 'op',
      t_ms: dueMs,
      op,
      who: phone.person.userId,
      kind: phone.kind,
      other,
      points: meant?.points ?? points,
      named: meant?.named ?? null,
      balance: meant?.balance ?? null,
      answered_ms,
      latency_ms: answered_ms - dueMs,
      ...ended,
    });
  }
}
