/** People in memory: the twin of directory and query store, upon a ledger in memory. */
import { type EncounterOp, EXPIRED_ACCOUNT, MINT_ACCOUNT } from '../../actors/durable.ts';
import type { PairHistory } from '../../actors/fraud/history.ts';
import type { Opinion } from '../../actors/fraud/opinion.ts';
import type {
  EncounterView,
  EntryView,
  FreshCredit,
  HoldView,
  Movement,
  QueryAnswers,
  RememberedCommand,
  SettledLately,
  StoreQuery,
  StreamRecord,
  UserRecord,
} from '../../actors/queries.ts';
import { unspentLots } from '../../actors/user/lots.ts';
import { freshOf } from '../../actors/user/ripening.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { uuidv7TimeMs } from '../../protocol/ids.ts';
import type {
  Credential,
  Directory,
  EncounterRow,
  NewUser,
  QueryStore,
  Random,
  TransactionView,
} from '../ports.ts';
import type { MovementRecord } from '../rules/explainer.ts';
import { MemoryGiving } from './memoryGiving.ts';
import type { MemoryLedger, MemoryTransfer } from './memoryLedger.ts';
import type { MemoryNotes } from './memoryNotes.ts';

const RECENT_ENCOUNTERS = 16;
const RECENT_COMMANDS = 64;
const REMEMBERED_MS = 24 * 3_600_000;
const RECENT_EVENTS = 128;
const RECENT_MS = 5 * 60_000;
const DAY_MS = 86_400_000;

interface Person extends NewUser {
  readonly id: string;
  readonly number: number;
  readonly badge: string | null;
  readonly createdAtMs: number;
  deviceId: string;
  deviceNumber: number;
  otherDevices: string[];
}

export class MemoryPeople implements Directory, QueryStore {
  readonly #ledger: MemoryLedger;
  readonly #notes: MemoryNotes;
  readonly #random: Random;
  readonly #nowMs: () => number;
  readonly #people = new Map<string, Person & { deviceId: string }>();
  /** Who may receive, and what can be paid. */
  readonly giving: MemoryGiving;
  /** By encounter and person. */
  readonly #opinions = new Map<string, Opinion>();

  /** @param notes those of the same town, which starting users read */
  constructor(ledger: MemoryLedger, random: Random, nowMs: () => number, notes: MemoryNotes) {
    this.#ledger = ledger;
    this.#notes = notes;
    this.#random = random;
    this.#nowMs = nowMs;
    const known = {
      kindOf: (id: string) => this.#people.get(id)?.kind ?? null,
      idOf: (handle: string) =>
        [...this.#people.values()].find(one => one.handle.toLowerCase() === handle.toLowerCase())?.id ?? null,
    };
    this.giving = new MemoryGiving(ledger, known, nowMs);
  }

  async createUser(
    user: NewUser & { readonly badge: string | null },
  ): Promise<Result<{ readonly userId: string }>> {
    const people = [...this.#people.values()];
    if (people.some(one => one.handle.toLowerCase() === user.handle.toLowerCase())) {
      return refuse(ERROR.conflict, 'this handle is taken');
    }
    if (user.badge !== null && people.some(one => one.badge === user.badge)) {
      return refuse(ERROR.conflict, 'this badge number is already in use');
    }
    const createdAtMs = this.#nowMs();
    const id = this.#random.uuid(createdAtMs);
    this.#people.set(id, {
      ...user,
      id,
      number: this.#people.size + 1,
      createdAtMs,
      deviceNumber: 1,
      otherDevices: [],
    });
    this.#ledger.openAccount(id);
    return ok({ userId: id });
  }

  async credentialByHandle(handle: string): Promise<Credential | null> {
    const lower = handle.toLowerCase();
    return credentialOf([...this.#people.values()].find(one => one.handle.toLowerCase() === lower));
  }

  async credentialById(userId: string): Promise<Credential | null> {
    return credentialOf(this.#people.get(userId));
  }

  async linkDevice(userId: string, deviceId: string, max: number): Promise<boolean> {
    const person = this.#people.get(userId);
    if (!person) return false;
    if (person.deviceId === deviceId || person.otherDevices.includes(deviceId)) return true;
    if (person.otherDevices.length >= max) return false;
    person.otherDevices = [...person.otherDevices, deviceId];
    return true;
  }

  async moveDevice(userId: string, deviceId: string): Promise<void> {
    const person = this.#people.get(userId);
    if (!person) return;
    person.deviceId = deviceId;
    person.deviceNumber++;
    person.otherDevices = [];
  }

  async profile(userId: string): ReturnType<Directory['profile']> {
    const person = this.#people.get(userId);
    if (!person) return null;
    const { kind, handle, zip, createdAtMs } = person;
    return { userId, kind, handle, zip, createdAtMs };
  }

  async officer(userId: string): ReturnType<Directory['officer']> {
    const person = this.#people.get(userId);
    if (person?.kind !== 'officer') return null;
    return { handle: person.handle, encounterCount: this.#encountersOf(userId).length };
  }

  async encounters(userId: string, limit: number, before: string | null): Promise<EncounterRow[]> {
    return page(this.#encountersOf(userId), limit, before);
  }

  async transactions(userId: string, limit: number, before: string | null): Promise<TransactionView[]> {
    const all = this.#transfersOf(userId).map(({ op, reason, atMs, postings }) => {
      const mine = postings.find(posting => posting.account === userId)!;
      return {
        id: op.id,
        reason,
        delta: mine.delta,
        balance: mine.balance,
        rule: `${op.rule.id}@${op.rule.version}`,
        atMs,
      };
    });
    return page(all, limit, before);
  }

  async balanceAt(userId: string, atMs: number): Promise<number | null> {
    if (!this.#ledger.accounts.has(userId)) return null;
    let balance = 0;
    for (const transfer of this.#ledger.transfers.values()) {
      if (transfer.atMs > atMs) continue;
      for (const posting of transfer.postings) if (posting.account === userId) balance += posting.delta;
    }
    return balance;
  }

  async movement(transferId: string): Promise<MovementRecord | null> {
    const found = this.#ledger.transfers.get(transferId);
    if (!found) return null;
    const { op, reason, atMs, postings } = found;
    const { id, version, trace = null } = op.rule;
    const { officer, civilian, method, metBy = null } = op as EncounterOp;
    return {
      id: op.id,
      reason,
      rule: { id, version, trace },
      atMs,
      postings: postings.map(({ account, delta }) => ({
        account,
        kind: this.#people.get(account)?.kind ?? null,
        delta,
      })),
      encounter: op.type === 'encounter' ? { method, officer, civilian, metBy } : null,
    };
  }

  async query(query: StoreQuery): Promise<unknown> {
    switch (query.type) {
      case 'user':
        return this.#record(query.id, query.freshMs);
      case 'command': {
        const found = this.#commandsOf(query.user).filter(one => one.key === query.key);
        return found.find(one => 'result' in one) ?? found[0] ?? null;
      }
      case 'userByNumber':
        return [...this.#people.values()].find(one => one.number === query.number)?.id ?? null;
      case 'pairMet':
        return this.#pairMet(query);
      case 'pairHistory':
        return this.#pairHistory(query);
      case 'hold':
        return this.#holdView(query.id);
      case 'offer':
        return this.#ledger.market.offerView(query.id);
      case 'redemption':
        return this.#ledger.market.redemptionView(query.id);
      case 'openRedemptions':
        return this.#ledger.market.open('merchant', query.merchant);
      case 'soldByCode':
        return this.#ledger.market.soldByCode(query.merchant, query.code);
      case 'lastSales':
        return this.#ledger.market.lastSales(query.merchant, query.limit);
      case 'myRedemptions':
        return this.#ledger.market.open('user', query.user);
      case 'entries':
        return query.ids.flatMap(id => this.#entry(id) ?? []);
      case 'balanceAt':
        return this.balanceAt(query.account, query.atMs);
      case 'movements':
        return this.#movements(query.user)
          .filter(one => one.version > query.after)
          .slice(0, query.limit);
      case 'settledLately':
        return this.#settledLately(query);
      case 'giving':
        return this.giving.giving(query.from, query.to, query.reason);
      case 'earned':
        return this.#earned(query.account);
      case 'unspent':
        return this.#unspent(query);
      case 'lastGiven':
        return this.giving.lastGiven(query);
      case 'timers':
        return this.#notes.timers
          .of(query.kind, query.id)
          .map(({ name, dueAtMs, message }) => ({ name, dueAtMs, message }));
      case 'fee':
        return this.giving.fee(query.id, query.payer);
    }
  }

  #earned(account: string): QueryAnswers['earned'] {
    const sinceMs = this.#nowMs() - DAY_MS;
    return [...this.#ledger.transfers.values()].flatMap(({ op, reason, atMs, postings }) => {
      const mine = postings.find(one => one.account === account);
      const isEarned = (reason === 'encounter' || reason === 'promotion') && mine && mine.delta >= 0;
      return isEarned && atMs > sinceMs ? [{ id: op.id, reason, points: mine.delta }] : [];
    });
  }

  #unspent({ account, stepMs }: StoreQuery & { type: 'unspent' }): QueryAnswers['unspent'] {
    const found = this.#ledger.accounts.get(account);
    if (!found) return null;
    const { balance, reserved, version } = found;
    const credits = this.#movements(account).filter(({ delta }) => delta > 0);
    const newestFirst = credits
      .reverse()
      .map(({ atMs, delta }) => ({ step: Math.floor(atMs / stepMs), points: delta }));
    return { balance, reserved, version, lots: unspentLots(balance - reserved, newestFirst) };
  }

  #entry(id: string): EntryView | null {
    const transfer = this.#ledger.transfers.get(id);
    if (!transfer) return null;
    const legs = transfer.postings.map(({ account, delta }) => ({ account, delta }));
    return { id, reason: transfer.reason, legs };
  }

  #pairMet({ officer, civilian, afterMs, beforeMs }: StoreQuery & { type: 'pairMet' }): string[] {
    return this.#met()
      .filter(
        ({ op: { officer: one, civilian: other, scannedAtMs }, atMs }) =>
          (scannedAtMs ?? atMs) > afterMs &&
          (scannedAtMs ?? atMs) < beforeMs &&
          one === officer &&
          other === civilian,
      )
      .map(one => one.op.id);
  }

  /** Everything that counts as a meeting, paid or not, newest first. */
  #met(): { readonly op: EncounterOp; readonly atMs: number }[] {
    const { holds, transfers } = this.#ledger;
    const paid = [...transfers.values()].flatMap(({ op, atMs }) =>
      op.type === 'encounter' && !holds.has(op.id) ? [{ op, atMs }] : [],
    );
    return [...paid, ...holds.values()].sort((a, b) => b.atMs - a.atMs);
  }

  #pairHistory(query: StoreQuery & { type: 'pairHistory' }): PairHistory {
    const { officer, civilian, withinMs, pairMax, officerMax, civilianMax } = query;
    const nowMs = this.#nowMs();
    const met = this.#met().filter(one => one.atMs > nowMs - withinMs);
    const ofPair = met.filter(({ op }) => op.officer === officer && op.civilian === civilian);
    const day = met.filter(({ op, atMs }) => op.officer === officer && atMs > nowMs - DAY_MS);
    const ofCivilian = met.filter(({ op }) => op.civilian === civilian).slice(0, civilianMax);
    const officers = new Set(ofCivilian.map(({ op }) => op.officer));
    return {
      agesMs: ofPair.slice(0, pairMax).map(one => nowMs - one.atMs),
      officerDay: Math.min(officerMax, day.length),
      civilianMet: ofCivilian.length,
      civilianOfficers: officers.size,
      knowsOfficer: officers.has(officer),
    };
  }

  #holdView(id: string): HoldView | null {
    const hold = this.#ledger.holds.get(id);
    if (!hold) return null;
    const { op, atMs, verdict } = hold;
    const side = (of: string) => ({ id: of, handle: this.#people.get(of)?.handle ?? '' });
    const { method, officerPoints, civilianPoints, rule, metBy = null, trust = 0 } = op;
    return {
      encounterId: id,
      officer: side(op.officer),
      civilian: side(op.civilian),
      method,
      atMs,
      officerPoints,
      civilianPoints,
      rule,
      metBy,
      trust,
      verdict,
      positions: {
        officer: this.#opinions.get(`${id} ${op.officer}`) ?? null,
        civilian: this.#opinions.get(`${id} ${op.civilian}`) ?? null,
      },
    };
  }

  async noteOpinion(encounterId: string, userId: string, opinion: Opinion): Promise<void> {
    const name = `${encounterId} ${userId}`;
    if (this.#ledger.holds.has(encounterId) && !this.#opinions.has(name)) this.#opinions.set(name, opinion);
  }

  async holds(limit: number): Promise<readonly HoldView[]> {
    return [...this.#ledger.holds]
      .filter(([, one]) => one.verdict === 'held')
      .slice(0, limit)
      .map(([id]) => this.#holdView(id)!);
  }

  async hold(id: string): Promise<HoldView | null> {
    return this.#holdView(id);
  }

  #settledLately({ shards, withinMs, limit }: StoreQuery & { type: 'settledLately' }): SettledLately[] {
    const sinceMs = this.#nowMs() - withinMs;
    const held = [...this.#ledger.holds].flatMap(([id, { shard, op, atMs, decidedAtMs, verdict }]) => {
      if (verdict === 'released' || !shards.includes(shard) || (decidedAtMs ?? atMs) <= sinceMs) return [];
      const sides = [op.civilian, op.officer].map(account => ({
        account,
        handle: this.#people.get(account)?.handle ?? '',
        delta: 0,
        balance: 0,
        version: 0,
      }));
      return [{ id, reason: verdict, method: op.method, atMs, sides }];
    });
    const posted = [...this.#ledger.transfers.values()]
      .filter(one => shards.includes(one.shard) && one.atMs > sinceMs)
      .reverse()
      .map(({ op, reason, atMs, postings }) => ({
        id: op.id,
        reason,
        method: op.type === 'encounter' ? op.method : null,
        atMs,
        sides: postings
          .filter(({ account }) => account !== MINT_ACCOUNT && account !== EXPIRED_ACCOUNT)
          .map(posting => ({ ...posting, handle: this.#people.get(posting.account)?.handle ?? '' })),
        ...(op.type === 'refund' && {
          refunded: {
            redemption: this.#ledger.market.redemptionView(op.redemption)!,
            quantity: op.quantity,
            points: op.points,
          },
        }),
      }));
    return [...posted, ...held].slice(0, limit);
  }

  #fresh(id: string, freshMs: number): FreshCredit[] {
    const sinceMs = this.#nowMs() - freshMs;
    return this.#movements(id).flatMap(movement =>
      movement.atMs > sinceMs ? (freshOf(movement) ?? []) : [],
    );
  }

  #record(id: string, freshMs = 0): UserRecord | null {
    const person = this.#people.get(id);
    if (!person) return null;
    const account = this.#ledger.accounts.get(id)!;
    const encounters = this.#encountersOf(id);
    return {
      id,
      kind: person.kind,
      handle: person.handle,
      number: person.number,
      deviceId: person.deviceId,
      deviceNumber: person.deviceNumber,
      balance: account.balance,
      balanceVersion: account.version,
      reserved: account.reserved,
      encounterCount: encounters.length,
      encounters: encounters.slice(0, RECENT_ENCOUNTERS),
      ...this.#newest(this.#commandsOf(id)),
      timers: this.#notes.timers
        .of('user', id)
        .map(({ name, dueAtMs, message }) => ({ name, dueAtMs, message })),
      stream: this.#stream(id),
      ...(freshMs > 0 && { fresh: this.#fresh(id, freshMs) }),
    };
  }

  #stream(id: string): StreamRecord {
    const nowMs = this.#nowMs();
    const stored = this.#notes.events.of(id);
    const newest = stored.at(-1);
    const isRecent = ({ ageMs }: { readonly ageMs: number }): boolean => ageMs < RECENT_MS;
    const recent = <T extends { readonly atMs: number }>(all: readonly T[]): (T & { ageMs: number })[] =>
      all
        .slice(-RECENT_EVENTS)
        .map(one => ({ ...one, ageMs: nowMs - one.atMs }))
        .filter(isRecent)
        .reverse();
    return {
      town: this.#notes.events.town,
      others: newest?.n ?? 0,
      after: newest?.after ?? 0,
      lineage: newest?.lineage ?? 0,
      movements: recent(this.#movements(id)),
      events: recent(stored.filter(one => one.lineage === newest?.lineage)).map(
        ({ id: eventId, n, after, frame, ageMs }) => ({ id: eventId, n, after, frame, ageMs }),
      ),
      told: Object.fromEntries(
        stored.flatMap(({ about, n, after }) => (about === null ? [] : [[about, after + n]])),
      ),
    };
  }

  /** Of an account, oldest first. */
  #movements(id: string): Movement[] {
    const found = [...this.#ledger.transfers.values()].flatMap(
      ({ op, reason, atMs, postings }): Movement[] => {
        const mine = postings.find(posting => posting.account === id);
        if (!mine) return [];
        const { delta, balance, version } = mine;
        const moved = { transferId: op.id, version, delta, balance, reason, atMs };
        if (op.type !== 'encounter') return [{ ...moved, method: null, otherHandle: '' }];
        const other = op.officer === id ? op.civilian : op.officer;
        return [{ ...moved, method: op.method, otherHandle: this.#people.get(other)?.handle ?? '' }];
      },
    );
    return found.sort((a, b) => a.version - b.version);
  }

  #newest(all: readonly RememberedCommand[]): Pick<UserRecord, 'commands' | 'latestKey'> {
    const times = all.map(({ key }) => [uuidv7TimeMs(key) ?? 0, key] as const);
    const [atMs, key] = times.reduce((a, b) => (b[0] > a[0] ? b : a), [0, ''] as const);
    return {
      commands: all.slice(0, RECENT_COMMANDS),
      latestKey: all.length >= RECENT_COMMANDS && atMs > 0 ? key : null,
    };
  }

  /** Newest first. */
  #commandsOf(id: string): RememberedCommand[] {
    const since = this.#nowMs() - REMEMBERED_MS;
    const moved = [...this.#ledger.keys]
      .filter(([name, one]) => name.startsWith(`${id}\0`) && one.atMs > since)
      .map(([name, one]) => {
        // without a transfer something is pending, or it is an encounter that is held
        const transfer = this.#ledger.transfers.get(one.transferId);
        const pending = this.#ledger.pending.get(one.transferId);
        const mine = transfer?.postings.find(posting => posting.account === id);
        return {
          key: name.slice(id.length + 1),
          requestHash: one.requestHash,
          reason: transfer?.reason ?? pending?.op.reason ?? 'encounter',
          encounterId: one.transferId,
          points: mine?.delta ?? 0,
          balance: mine?.balance ?? this.#ledger.accounts.get(id)!.balance,
          atMs: one.atMs,
        };
      });
    return [...moved, ...this.#notes.answers.of(id)]
      .sort((a, b) => b.atMs - a.atMs)
      .map(({ atMs: _, ...command }) => command);
  }

  /** Newest first. */
  #transfersOf(id: string): MemoryTransfer[] {
    return [...this.#ledger.transfers.values()]
      .filter(one => one.postings.some(posting => posting.account === id))
      .reverse();
  }

  #encountersOf(id: string): EncounterView[] {
    const mine = this.#transfersOf(id).filter(one => one.op.type === 'encounter');
    const views = mine.map(({ op, atMs }): EncounterView => {
      const { officer, civilian, method, officerPoints, civilianPoints } = op as EncounterOp;
      const other = officer === id ? civilian : officer;
      return {
        id: op.id,
        method,
        otherHandle: this.#people.get(other)?.handle ?? '',
        points: officer === id ? officerPoints : civilianPoints,
        atMs,
      };
    });
    return views.sort((a, b) => b.atMs - a.atMs || (a.id < b.id ? 1 : -1));
  }
}

function credentialOf(person: Person | undefined): Credential | null {
  if (!person) return null;
  const { id, kind, handle, passwordHash, deviceId, otherDevices } = person;
  return { userId: id, kind, handle, passwordHash, deviceId, otherDevices };
}

function page<T extends { readonly id: string }>(
  all: readonly T[],
  limit: number,
  before: string | null,
): T[] {
  if (before === null) return all.slice(0, limit);
  const at = all.findIndex(one => one.id === before);
  return at < 0 ? [] : all.slice(at + 1, at + 1 + limit);
}
