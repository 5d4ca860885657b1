/**
 * A town without sockets, mailboxes or time: real region behaviours, the real routing of fixes, and messages that
 * arrive at once and in order. What the brute force is compared with, and the quickest way to run a recording.
 */
import type { Near } from '../../actors/geo/matcher.ts';
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
import type { Address, Turn } from '../../actors/turn.ts';
import { ok, type Result } from '../../protocol/errors.ts';
import { type Armed, Host, turnThatOnly } from './host.ts';
import type { OracleHappening, OracleMeeting } from './oracle.ts';

export class Town {
  readonly meetings: OracleMeeting[] = [];
  /** What happened to pairs, as the regions see it. */
  readonly happenings: OracleHappening[] = [];
  /** What pairs were asked, in order; {@link settle} is their answer, null for none yet. */
  readonly observed: PairMessage[] = [];
  settle: Result<unknown> | null = ok({});
  readonly #host: Host<RegionState, RegionMessage>;
  readonly #rules: ProximityRules;
  readonly #tracks = new Map<string, Track>();
  /** Numbers of accounts, by person. */
  readonly #accounts = new Map<string, number>();
  readonly #waiting: { readonly to: Address; readonly message: object }[] = [];
  /** When the fix was taken whose messages are on their way. */
  #movedMs = 0;
  nowMs = 1;

  /** `hearsNear`: whether anybody asks who is near whom, as no node does. */
  constructor(rules: ProximityRules, hearsNear = true) {
    this.#rules = rules;
    const happened = (
      what: OracleHappening['what'],
      officerId: string,
      civilianId: string,
      atMs: number | null,
    ) => {
      this.happenings.push({ what, officerId, civilianId, atMs: atMs ?? this.#movedMs });
    };
    const behaviour = regionBehaviour(rules, undefined, {
      entered: (officer, civilian, atMs) => happened('entered', officer, civilian, atMs),
      ended: (officer, civilian, atMs) => happened('ended', officer, civilian, atMs),
      ...(hearsNear && {
        near: ({ officer, civilianId, atMs }: Near) => happened('near', officer.id, civilianId, atMs),
      }),
    });
    this.#host = new Host(behaviour, id => this.#turn(id));
  }

  get regions(): Map<string, RegionState> {
    return this.#host.actors;
  }

  /** Armed timers, by region and name. */
  get timers(): ReadonlyMap<string, Armed<RegionMessage>> {
    return this.#host.timers;
  }

  /** Messages told to regions so far. */
  get told(): number {
    return this.#host.heard;
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

  /** Every region goes on at another node. */
  move(): void {
    this.#host.move();
  }

  /** Fires the timers that are armed now, once. */
  fireTimers(name: string): number {
    const due = [...this.timers].filter(([key]) => key.endsWith(`/${name}`));
    for (const [key, timer] of due) {
      this.#host.timers.delete(key);
      this.tell(timer.id, timer.message);
    }
    return due.length;
  }

  #deliver(): void {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      const { to, message } = next;
      if (to.kind === 'region') this.#host.run(to.id, message as RegionMessage);
    }
  }

  #turn(region: string): Turn {
    return {
      ...this.#outside(),
      self: { kind: 'region', id: region },
      ask: (to, asked, tag) => {
        this.#settle(asked as PairMessage, to.id);
        if (this.settle === null) return;
        const answer: RegionMessage = { type: 'answer', tag, result: this.settle };
        this.#waiting.push({ to: { kind: 'region', id: region }, message: answer });
      },
    };
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
    return turnThatOnly({
      self: { kind: 'user', id: '' },
      nowMs: this.nowMs,
      tell: (to, message) => void this.#waiting.push({ to, message }),
    });
  }
}
