/**
 * Areas without sockets, mailboxes or nodes: the real behaviour, the real routing of positions to areas, and a clock that a
 * test moves. Messages arrive at once and in order, timers when their time has come; what people are told is kept with the
 * moment at which they were.
 */
import { type AreaState, areaBehaviour } from '../../actors/area.ts';
import {
  type AreaStay,
  leaveAreas,
  type Someone,
  stepAreas,
  tellPresence,
} from '../../actors/geo/areaRoute.ts';
import type { AreaRules } from '../../actors/geo/areaRules.ts';
import type { AreaMessage } from '../../actors/messages/area.ts';
import type { UserMessage } from '../../actors/messages/user.ts';
import type { Address, Turn } from '../../actors/turn.ts';
import { Host, turnThatOnly } from './host.ts';

/** What one person was told. */
export interface Told {
  readonly userId: string;
  readonly atMs: number;
  readonly area: string;
  readonly version: number;
  /** Ids, in the order of the list. */
  readonly officers: readonly string[];
  readonly hubs: readonly string[];
}

export class AreaTown {
  nowMs = 1_000_000;
  readonly told: Told[] = [];
  readonly #stays = new Map<string, { readonly someone: Someone; readonly stay: AreaStay }>();
  readonly #waiting: { readonly to: Address; readonly message: object }[] = [];
  readonly #host: Host<AreaState, AreaMessage>;
  readonly #random32: () => number;

  constructor(rules: AreaRules, random32: () => number) {
    this.#host = new Host(areaBehaviour(rules), id => ({ ...this.#turn(), self: { kind: 'area', id } }));
    this.#random32 = random32;
  }

  get areas(): ReadonlyMap<string, AreaState> {
    return this.#host.actors;
  }

  /** Messages that areas got. */
  get heard(): number {
    return this.#host.heard;
  }

  /** A person shares a position, degrees times 1e7. */
  at(someone: Someone, latE7: number, lngE7: number): void {
    const previous = this.#stays.get(someone.userId)?.stay ?? null;
    const { stay } = stepAreas(this.#turn(), someone, previous, latE7, lngE7);
    this.#stays.set(someone.userId, { someone, stay });
    this.#deliver();
  }

  /** The last socket of a person was lost, or one is there again. */
  presence(userId: string, isPresent: boolean): void {
    const known = this.#stays.get(userId);
    if (!known) return;
    const stay = tellPresence(this.#turn(), known.someone, known.stay, isPresent);
    this.#stays.set(userId, { ...known, stay });
    this.#deliver();
  }

  /** A person shares no more. */
  leave(userId: string): void {
    const known = this.#stays.get(userId);
    if (!known) return;
    this.#stays.delete(userId);
    leaveAreas(this.#turn(), userId, known.stay);
    this.#deliver();
  }

  /** An officer is checked in at a hub of this area, or is there no more. */
  hub(area: string, userId: string, hubId: string, isOpen: boolean): void {
    const message: AreaMessage = isOpen
      ? { type: 'hubOpen', userId, hubId, name: `the ${hubId}` }
      : { type: 'hubClosed', userId, hubId };
    this.#waiting.push({ to: { kind: 'area', id: area }, message });
    this.#deliver();
  }

  /** Time passes, up to this moment; what is due happens at its time. */
  until(atMs: number): void {
    const { timers } = this.#host;
    for (;;) {
      let next: string | null = null;
      for (const [key, timer] of timers)
        if (timer.atMs <= atMs && (next === null || timer.atMs < timers.get(next)!.atMs)) next = key;
      if (next === null) break;
      const { id, atMs: dueMs, message } = timers.get(next)!;
      timers.delete(next);
      this.nowMs = Math.max(this.nowMs, dueMs);
      this.#waiting.push({ to: { kind: 'area', id }, message });
      this.#deliver();
    }
    this.nowMs = Math.max(this.nowMs, atMs);
  }

  /** Every area goes on at another node. */
  move(): void {
    this.#host.move();
  }

  /** The node of all areas is gone. */
  crash(): void {
    this.#host.crash();
  }

  #deliver(): void {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      const { to, message } = next;
      if (to.kind === 'area') this.#host.run(to.id, message as AreaMessage);
      else {
        const { area, version, officers, hubs = [] } = message as UserMessage & { type: 'area' };
        const ids = officers.map(({ id }) => id);
        const open = hubs.map(({ id }) => id);
        this.told.push({ userId: to.id, atMs: this.nowMs, area, version, officers: ids, hubs: open });
      }
    }
  }

  #turn(): Turn {
    return turnThatOnly({
      self: { kind: 'area', id: '' },
      nowMs: this.nowMs,
      tell: (to, message) => void this.#waiting.push({ to, message }),
      random32: this.#random32,
    });
  }
}
