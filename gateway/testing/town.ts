/**
 * A small town for the tests of the doors: a directory in memory, user actors that answer what they are told to, clocks
 * that stand still until moved. Tests tell sessions their story through a pretended socket or a real one.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { ActorDoor, Address, AskOptions, HoldView, SessionRef } from '../../nodes/gatewayPort.ts';
import { MemoryAudit } from '../../nodes/memory/memoryAudit.ts';
import { MemoryRevocations } from '../../nodes/memory/memoryRevocations.ts';
import type { Credential, Directory, IdValidator, Log, Metrics } from '../../nodes/ports.ts';
import type { MovementRecord } from '../../nodes/rulesPort.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import type { SigningKey } from '../auth/tokens.ts';
import type { GatewayOptions } from '../options.ts';

export const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Metrics that a test reads: by name and the values of the labels. */
export const counting = (): Metrics & {
  counts: Map<string, number>;
  gauges: Map<string, number>;
  observed: Map<string, number[]>;
} => {
  const counts = new Map<string, number>();
  const gauges = new Map<string, number>();
  const observed = new Map<string, number[]>();
  const keyOf = (name: string, labels: Record<string, string> = {}): string =>
    [name, ...Object.values(labels)].join(' ');
  return {
    counts,
    gauges,
    observed,
    count: (name, labels, by = 1) => {
      const key = keyOf(name, labels);
      counts.set(key, (counts.get(key) ?? 0) + by);
    },
    observe: (name, value, labels) => {
      const key = keyOf(name, labels);
      observed.set(key, [...(observed.get(key) ?? []), value]);
    },
    gauge: (name, value, labels) => void gauges.set(keyOf(name, labels), value),
  };
};

export const signingKey = (kid = 'k1'): SigningKey => ({ kid, ...generateKeyPairSync('ed25519') });

/** Clocks that a test moves. */
export class HandClock {
  wall = Date.UTC(2026, 10, 20, 12);
  monotonic = 1_000;
  readonly nowMs = (): number => this.wall;
  readonly monotonicMs = (): number => this.monotonic;
  advance(ms: number): void {
    this.wall += ms;
    this.monotonic += ms;
  }
}

export interface Said {
  readonly to: Address;
  readonly message: { readonly type: string; readonly session?: SessionRef } & Record<string, unknown>;
}

export const EPOCH = '01900000-0000-7000-8000-00000000e90c';

/** User actors as a gateway sees them. Asks are answered by `answers[type]`, at once unless held back. */
export class FakeDoor implements ActorDoor {
  readonly told: Said[] = [];
  readonly toldWith: unknown[] = [];
  readonly asked: (Said & { done: (result: Result<unknown>) => void; options?: AskOptions })[] = [];
  /** Asks of these types wait for `answer`. */
  readonly holding = new Set<string>();
  answers: Record<string, (said: Said) => Result<unknown>> = {
    attach: () => ok({ epoch: EPOCH, offset: 0, resumed: false, frames: [] }),
    balance: () => ok({ balance: 70, version: 3 }),
    qr: () => ok({ token: 'HB1:TEST', expiresS: 1_795_000_000 }),
    qrBook: () => ok({ kind: 'civilian', kid: 1, key: '00', handles: [{ day: 20_775, handle: '11' }] }),
    command: () => ok({}),
  };

  ask(to: Address, message: object, done: (result: Result<unknown>) => void, options?: AskOptions): void {
    const said = { to, message: message as Said['message'] };
    this.asked.push({ ...said, done, ...(options && { options }) });
    if (!this.holding.has(said.message.type)) done(this.resultOf(said));
  }

  tell(to: Address, message: object, options?: { readonly trace?: string | null }): void {
    this.told.push({ to, message: message as Said['message'] });
    this.toldWith.push(options);
  }

  /** Answers the oldest ask of this type that was held back. */
  answer(type: string, result?: Result<unknown>): void {
    const index = this.asked.findIndex(one => one.message.type === type);
    const [one] = this.asked.splice(index, 1);
    one!.done(result ?? this.resultOf(one!));
  }

  heard(type: string): Said[] {
    return this.told.filter(one => one.message.type === type);
  }

  private resultOf(said: Said): Result<unknown> {
    return this.answers[said.message.type]?.(said) ?? refuse(ERROR.internal, 'no answer prepared');
  }
}

/** People in memory. `down` makes every call reject, as an outage does. */
export class FakeDirectory implements Directory {
  readonly people = new Map<string, Credential & { zip: string | null }>();
  readonly badges = new Set<string>();
  /** Encounters that are held. */
  readonly held: HoldView[] = [];
  down = false;
  private made = 0;

  private async up(): Promise<void> {
    if (this.down) throw new Error('connection refused at 10.0.0.7');
  }
  async createUser(user: Parameters<Directory['createUser']>[0]): Promise<Result<{ userId: string }>> {
    await this.up();
    if (await this.credentialByHandle(user.handle)) return refuse(ERROR.conflict, 'the handle is taken');
    if (user.badge !== null && this.badges.has(user.badge)) return refuse(ERROR.conflict, 'badge used');
    if (user.badge !== null) this.badges.add(user.badge);
    const userId = `01900000-0000-7000-8000-${String(++this.made).padStart(12, '0')}`;
    const { kind, handle, passwordHash, deviceId, zip } = user;
    this.people.set(userId, { userId, kind, handle, passwordHash, deviceId, otherDevices: [], zip });
    return ok({ userId });
  }
  async holds(limit: number): Promise<readonly HoldView[]> {
    await this.up();
    return this.held.filter(one => one.verdict === 'held').slice(0, limit);
  }
  async hold(encounterId: string): Promise<HoldView | null> {
    await this.up();
    return this.held.find(one => one.encounterId === encounterId) ?? null;
  }
  async noteOpinion(): Promise<void> {
    await this.up();
  }
  async credentialByHandle(handle: string): Promise<Credential | null> {
    await this.up();
    return [...this.people.values()].find(one => one.handle === handle) ?? null;
  }
  async credentialById(userId: string): Promise<Credential | null> {
    await this.up();
    return this.people.get(userId) ?? null;
  }
  async linkDevice(userId: string, deviceId: string, max: number): Promise<boolean> {
    await this.up();
    const one = this.people.get(userId)!;
    if (one.deviceId === deviceId || one.otherDevices.includes(deviceId)) return true;
    if (one.otherDevices.length >= max) return false;
    this.people.set(userId, { ...one, otherDevices: [...one.otherDevices, deviceId] });
    return true;
  }
  async moveDevice(userId: string, deviceId: string): Promise<void> {
    await this.up();
    this.people.set(userId, { ...this.people.get(userId)!, deviceId, otherDevices: [] });
  }
  async profile(userId: string): ReturnType<Directory['profile']> {
    await this.up();
    const one = this.people.get(userId);
    return one ? { userId, kind: one.kind, handle: one.handle, zip: one.zip, createdAtMs: 5 } : null;
  }
  async officer(userId: string): ReturnType<Directory['officer']> {
    await this.up();
    const one = this.people.get(userId);
    return one?.kind === 'officer' ? { handle: one.handle, encounterCount: 12 } : null;
  }
  async encounters(_userId: string, limit: number, before: string | null) {
    await this.up();
    return rows(limit, before, id => ({ id, method: 'qr', otherHandle: 'kim', points: 10, atMs: 9 }));
  }
  /** A point for each second since 1970. */
  async balanceAt(userId: string, atMs: number): Promise<number | null> {
    await this.up();
    return this.people.has(userId) ? Math.floor(atMs / 1_000) : null;
  }

  /** Movements by id. */
  readonly movements = new Map<string, MovementRecord>();
  async movement(id: string): Promise<MovementRecord | null> {
    await this.up();
    return this.movements.get(id) ?? null;
  }
  async transactions(_userId: string, limit: number, before: string | null) {
    await this.up();
    return rows(limit, before, id => ({
      id,
      reason: 'encounter',
      delta: 10,
      balance: 20,
      rule: 'encounter@1',
      atMs: 9,
    }));
  }
}

/** Five rows, newest first. */
const rows = <T>(limit: number, before: string | null, row: (id: string) => T): T[] => {
  const ids = [5, 4, 3, 2, 1].map(n => `01900000-0000-7000-8000-00000000000${n}`);
  const from = before === null ? 0 : ids.indexOf(before) + 1;
  return ids.slice(from, from + limit).map(row);
};

/** Badges that begin with B are on the roster. */
export const roster: IdValidator = {
  validate: async (kind, { badge }) =>
    kind !== 'officer' || badge?.startsWith('B')
      ? ok(true)
      : refuse(ERROR.forbidden, 'this badge number is not on the roster'),
};

export const optionsFor = (
  door: ActorDoor,
  directory: Directory,
  rest: Partial<GatewayOptions> = {},
): GatewayOptions => ({
  gatewayId: 'g1',
  door,
  directory,
  idValidator: roster,
  revocationStore: new MemoryRevocations(Date.now),
  auditLog: new MemoryAudit(Date.now),
  clock: { nowMs: Date.now, monotonicMs: () => performance.now() },
  log: silent,
  metrics: counting(),
  signingKeys: [signingKey()],
  tokenTtlS: 900,
  host: '127.0.0.1',
  restPort: 0,
  realtimePort: 0,
  adminPort: 0,
  origins: ['https://heyblue.example'],
  connectionsPerAddress: 200,
  trustedProxyHops: 0,
  ...rest,
});
