/**
 * A town without sockets, mailboxes or time: real region behaviours, the real routing of fixes, and messages that
 * arrive at once and in order. What the brute force is compared with, and the quickest way to run a recording.
 */
import {
  isNewer,
  type Person,
  type Position,
  publishFix,
  publishLeave,
  publishPresence,
  type Track,
} from '../../actors/geo/publish.ts';
import type { ProximityRules } from '../../actors/geo/rules.ts';
import type { PairMessage } from '../../actors/messages/pair.ts';
import type { RegionMessage } from '../../actors/messages/region.ts';
import { type RegionState, regionBehaviour } from '../../actors/region.ts';
import type { Address, Behaviour, Turn } from '../../actors/turn.ts';
import { ok, type Result } from '../../protocol/errors.ts';
import type { OracleHappening, OracleMeeting } from './oracle.ts';

export class Town {
  readonly meetings: OracleMeeting[] = [];
  /** What happened to pairs, as the regions see it. */
  readonly happenings: OracleHappening[] = [];
  /** What pairs were asked, in order; {@link settle} is their answer, null for none yet. */
  readonly observed: PairMessage[] = [];
  settle: Result<unknown> | null = ok({});
  readonly regions = new Map<string, RegionState>();
  /** Armed timers: region and name, then the message. */
  readonly timers = new Map<string, { readonly region: string; readonly message: RegionMessage }>();
  readonly #behaviour: Behaviour<RegionState, RegionMessage>;
  readonly #rules: ProximityRules;
  readonly #tracks = new Map<string, Track>();
  /** Numbers of accounts, by person. */
  readonly #accounts = new Map<string, number>();
  readonly #waiting: { readonly to: Address; readonly message: object }[] = [];
  /** When the fix was taken whose messages are on their way. */
  #movedMs = 0;
  /** Messages told to regions so far. */
  told = 0;
  nowMs = 1;

  constructor(rules: ProximityRules) {
    this.#rules = rules;
    const happened = (
      what: OracleHappening['what'],
      officerId: string,
      civilianId: string,
      atMs: number | null,
    ) => {
      this.happenings.push({ what, officerId, civilianId, atMs: atMs ?? this.#movedMs });
    };
    this.#behaviour = regionBehaviour(rules, undefined, {
      entered: (officer, civilian, atMs) => happened('entered', officer, civilian, atMs),
      ended: (officer, civilian, atMs) => happened('ended', officer, civilian, atMs),
      near: ({ officer, civilianId, atMs }) => happened('near', officer.id, civilianId, atMs),
    });
  }

  /** A person reports a position; false when it was not newer than the last. */
  fix(person: Person, position: Position): boolean {
    const previous = this.#tracks.get(person.userId) ?? null;
    if (!isNewer(previous, position)) return false;
    this.#movedMs = position.takenAtMs;
    const account = this.#accounts.get(person.userId) ?? this.#accounts.size + 1;
    this.#accounts.set(person.userId, account);
    // a node of the version before says no number
    const someone = account % 4 === 0 ? person : { ...person, account };
    this.#tracks.set(
      person.userId,
      publishFix(this.#outside(), someone, previous, position, this.#rules.reachM),
    );
    this.#deliver();
    return true;
  }

  /** The last socket of a person was lost, or one is there again. */
  presence(userId: string, isPresent: boolean): void {
    const track = this.#tracks.get(userId);
    if (!track) return;
    this.#tracks.set(userId, publishPresence(this.#outside(), track, isPresent));
    this.#deliver();
  }

  /** A person stops sharing. */
  leave(userId: string): void {
    const track = this.#tracks.get(userId);
    if (!track) return;
    this.#tracks.delete(userId);
    publishLeave(this.#outside(), track);
    this.#deliver();
  }

  /** Something arrives at a region by itself, for example a second time. */
  tell(region: string, message: RegionMessage): void {
    this.#waiting.push({ to: { kind: 'region', id: region }, message });
    this.#deliver();
  }

  /** Every region is packed, sent as plain values and unpacked by another node. */
  move(): void {
    for (const [id, state] of this.regions) {
      const packed = structuredClone(this.#behaviour.pack!(state));
      const unpacked = this.#behaviour.unpack!(
        id,
        packed,
        this.#turn(id, () => {}),
      );
      if (!unpacked.ok) throw new Error(unpacked.message);
      this.regions.set(id, unpacked.value);
    }
  }

  /** Fires the timers that are armed now, once. */
  fireTimers(name: string): number {
    const due = [...this.timers].filter(([key]) => key.endsWith(`/${name}`));
    for (const [key, timer] of due) {
      this.timers.delete(key);
      this.tell(timer.region, timer.message);
    }
    return due.length;
  }

  #deliver(): void {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      const { to, message } = next;
      if (to.kind === 'region') this.#run(to.id, message as RegionMessage);
    }
  }

  #turn(region: string, passivate: () => void): Turn {
    return {
      ...this.#outside(),
      self: { kind: 'region', id: region },
      nowMs: this.nowMs,
      ask: (to, asked, tag) => {
        this.#settle(asked as PairMessage, to.id);
        if (this.settle === null) return;
        const answer: RegionMessage = { type: 'answer', tag, result: this.settle };
        this.#waiting.push({ to: { kind: 'region', id: region }, message: answer });
      },
      timer: (name, _delayMs, timed) =>
        this.timers.set(`${region}/${name}`, { region, message: timed as RegionMessage }),
      cancelTimer: name => this.timers.delete(`${region}/${name}`),
      passivate,
    };
  }

  #run(region: string, message: RegionMessage): void {
    this.told++;
    let leaving = false;
    const turn = this.#turn(region, () => {
      leaving = true;
    });
    let state = this.regions.get(region);
    if (!state) {
      const created = this.#behaviour.create(region, null, turn);
      if (!created.ok) throw new Error(created.message);
      state = created.value;
    }
    this.regions.set(region, this.#behaviour.receive(state, message, turn));
    if (!leaving) return;
    this.regions.delete(region);
    for (const key of [...this.timers.keys()]) if (key.startsWith(`${region}/`)) this.timers.delete(key);
  }

  #settle(observe: PairMessage, id: string): void {
    if (id !== `${observe.officer.id}|${observe.civilian.id}`) throw new Error(`wrong pair: ${id}`);
    this.observed.push(observe);
    const met = {
      officerId: observe.officer.id,
      civilianId: observe.civilian.id,
      atMs: this.#movedMs,
    };
    this.meetings.push(met);
    this.happenings.push({ what: 'met', ...met });
  }

  /** A turn of someone who only tells. */
  #outside(): Turn {
    const refuse = (): never => {
      throw new Error('a region does not do that');
    };
    return {
      self: { kind: 'user', id: '' },
      nowMs: this.nowMs,
      replyTo: null,
      tell: (to, message) => this.#waiting.push({ to, message }),
      newId: refuse,
      random32: refuse,
      reply: refuse,
      ask: refuse,
      push: refuse,
      close: refuse,
      persist: refuse,
      query: refuse,
      timer: refuse,
      cancelTimer: refuse,
      durableTimer: refuse,
      cancelDurableTimer: refuse,
      count: refuse,
      observe: refuse,
      sample: refuse,
      passivate: refuse,
    };
  }
}
