/**
 * A town whose cells are divided and made one again while people walk about in it, on several nodes that learn of it at
 * different times. Real region behaviours and the real routing of fixes; messages between two actors keep their order, and
 * otherwise arrive in any. No time passes while messages are under way: what comes out must be what brute force finds.
 */
import { Fixes } from '../../actors/geo/fixes.ts';
import { cellOf } from '../../actors/geo/grid.ts';
import {
  dividedAt,
  isMergeable,
  type Layout,
  type Layouts,
  mergedAt,
  regionsOf,
  UNDIVIDED,
} from '../../actors/geo/layout.ts';
import { FORMER_MAX, FORMER_MS } from '../../actors/geo/limits.ts';
import {
  isNewer,
  publishFix,
  publishLeave,
  routeFix,
  type Track,
  walkedOn,
} from '../../actors/geo/publish.ts';
import type { ProximityRules } from '../../actors/geo/rules.ts';
import type { PairMessage } from '../../actors/messages/pair.ts';
import type { RegionMessage } from '../../actors/messages/region.ts';
import { type RegionState, regionBehaviour } from '../../actors/region.ts';
import type { Address, Behaviour, Turn } from '../../actors/turn.ts';
import { HEAT_LIMITS } from '../../nodes/limits.ts';
import { ok } from '../../protocol/errors.ts';
import { shardOf } from '../../protocol/shard.ts';
import { turnThatOnly } from './host.ts';
import type { OracleEvent, OracleHappening } from './oracle.ts';
import type { Seeded } from './seeded.ts';

/** What one node knows of the layouts. */
class Knowledge implements Layouts {
  changes = 0;
  readonly #layouts = new Map<number, Layout>();
  of(cell: number): Layout | undefined {
    return this.#layouts.get(cell);
  }
  learn(cell: number, layout: Layout): void {
    if ((this.#layouts.get(cell)?.version ?? 0) >= layout.version) return;
    this.#layouts.set(cell, layout);
    this.changes++;
  }
}

/**
 * No node that lives is later: it reads all layouts so often, and one that cannot read is fenced long before. Regions rest on
 * it being less than `FORMER_MS`.
 */
const LATE_MS = HEAT_LIMITS.lookMs;

/** What one event, or one round of timers, may set off. */
const LETTERS_MAX = 50_000;

interface Letter {
  readonly to: string;
  readonly message: RegionMessage;
}

export interface DividedTownOptions {
  readonly rules: ProximityRules;
  readonly chance: Seeded;
  readonly nodes: number;
  /** At each step a node hears of a change with a chance of one in so many; {@link LATE_MS} after it in any case. */
  readonly lateSteps: number;
}

export class DividedTown {
  readonly happenings: OracleHappening[] = [];
  readonly regions = new Map<string, RegionState>();
  readonly cells = new Set<string>();
  /** Layouts as the directory has them. */
  readonly truth = new Map<number, Layout>();
  /** When each version of a cell's layout was written; the first is version 1. */
  readonly #changed = new Map<number, readonly number[]>();
  changes = 0;
  handedOver = 0;
  passedOn = 0;
  unanswered = 0;
  /** Messages that arrived. */
  letters = 0;
  /** Of them, fixes that came together. */
  batches = 0;
  nowMs = 1;
  readonly #options: DividedTownOptions;
  readonly #nodes: Knowledge[];
  readonly #behaviours: Behaviour<RegionState, RegionMessage>[];
  readonly #tracks = new Map<string, Track>();
  /** Regions that people have been in. */
  readonly #walked = new Map<string, readonly string[]>();
  /** Nodes of those who were moved. */
  readonly #homes = new Map<string, number>();
  /** Senders and receivers between whom something is under way. */
  readonly #waiting: string[] = [];
  /** Under way, by sender and receiver. */
  readonly #links = new Map<string, Letter[]>();
  readonly #timers = new Map<
    string,
    { readonly region: string; readonly atMs: number; readonly message: RegionMessage }
  >();
  #movedMs = 0;

  constructor(options: DividedTownOptions) {
    this.#options = options;
    this.#nodes = Array.from({ length: options.nodes }, () => new Knowledge());
    const happened = (
      what: OracleHappening['what'],
      officerId: string,
      civilianId: string,
      atMs: number | null,
    ) => void this.happenings.push({ what, officerId, civilianId, atMs: atMs ?? this.#movedMs });
    this.#behaviours = this.#nodes.map(node =>
      regionBehaviour(
        options.rules,
        undefined,
        {
          entered: (officer, civilian, atMs) => happened('entered', officer, civilian, atMs),
          ended: (officer, civilian, atMs) => happened('ended', officer, civilian, atMs),
          near: ({ officer, civilianId, atMs }) => happened('near', officer.id, civilianId, atMs),
        },
        () => node,
      ),
    );
  }

  play(event: OracleEvent): void {
    const { rules, chance } = this.#options;
    if (event.type === 'fix') this.#advance(event.atMs);
    this.#learnSomething();
    if (event.type === 'leave') {
      const track = this.#tracks.get(event.id);
      if (track) publishLeave(this.#outside(event.id), track, this.#walked.get(event.id));
      this.#tracks.delete(event.id);
      this.#walked.delete(event.id);
    } else {
      const { id, officer, instant, atMs, type: _, ...position } = event;
      const before = this.#tracks.get(id) ?? null;
      const next = { ...position, takenAtMs: atMs };
      if (isNewer(before, next)) {
        this.#movedMs = atMs;
        const person = { userId: id, role: officer ? 'officer' : 'civilian', handle: id, instant } as const;
        const node = this.#nodes[this.#homeOf(id)]!;
        const track = publishFix(this.#outside(id), person, before, next, rules.reachM, node);
        this.#tracks.set(id, track);
        this.#walked.set(id, walkedOn(this.#walked.get(id) ?? [], track));
      }
    }
    this.deliver();
    if (chance.next() < 0.02) this.#handOff();
    if (chance.next() < 0.02) this.#moveSomebody();
  }

  /** Divides or merges somewhere; null layouts stay as they are. */
  change(lat: number, lng: number): void {
    const { chance } = this.#options;
    const cell = cellOf(lat, lng);
    const layout = this.truth.get(cell) ?? UNDIVIDED;
    // the directory pauses between two changes of a cell: there are never more than a layout can name
    const lately = layout.former.filter(one => this.nowMs - one.atMs < FORMER_MS);
    if (lately.length + 4 > FORMER_MAX) return;
    const leaves = regionsOf(layout);
    const path = leaves[chance.int(leaves.length)]!;
    const parents = layout.divided.filter(one => isMergeable(layout, one.path));
    const parent = parents[chance.int(parents.length)];
    const next =
      parent && chance.next() < 0.5
        ? mergedAt(layout, parent.path, this.nowMs)
        : dividedAt(layout, path, 3, 100, this.nowMs);
    if (next === null) return;
    this.truth.set(cell, next);
    const times = this.#changed.get(cell) ?? [];
    this.#changed.set(cell, [...times, this.nowMs]);
    this.changes++;
  }

  /** Long after the last event. */
  end(): void {
    for (let i = 0; i < 3; i++) {
      this.#learnAll();
      // the silent are missed before they are forgotten
      this.#advance(this.nowMs + 130_000);
    }
  }

  /** A node dies and another begins in its place, which reads the directory first: what its regions knew is gone. */
  kill(): void {
    const node = this.#options.chance.int(this.#nodes.length);
    for (const id of [...this.regions.keys()])
      if (shardOf('region', id) % this.#nodes.length === node) this.lose(id);
    for (const [cell, layout] of this.truth) this.#nodes[node]!.learn(cell, layout);
  }

  /** A region is gone, and what it knew. */
  lose(id: string): void {
    this.regions.delete(id);
    for (const key of [...this.#timers.keys()]) if (key.startsWith(`${id}/`)) this.#timers.delete(key);
  }

  /** Until nothing is under way. Throws when that takes more than {@link LETTERS_MAX}: something goes round in circles. */
  deliver(): void {
    const { chance } = this.#options;
    const links = this.#waiting;
    const counts: Record<string, number> = {};
    for (let count = 1; links.length > 0; count++) {
      const at = chance.int(links.length);
      const key = links[at]!;
      const letters = this.#links.get(key)!;
      const { to, message } = letters.shift()!;
      if (letters.length === 0) {
        this.#links.delete(key);
        links[at] = links.at(-1)!;
        links.pop();
      }
      const word = `${message.type} to level ${to.split('.')[1]?.length ?? 0}`;
      counts[word] = (counts[word] ?? 0) + 1;
      if (count > LETTERS_MAX) throw new Error(`messages without end: ${JSON.stringify(counts)}`);
      this.letters++;
      this.#run(to, this.#asMail(message));
    }
  }

  /** A fix may come as those do that waited together. */
  #asMail(message: RegionMessage): RegionMessage {
    if (message.type !== 'fix' || message.dual || this.#options.chance.int(2) === 0) return message;
    const fixes = new Fixes();
    fixes.add(message);
    this.batches++;
    return { type: 'fixes', fixes };
  }

  #learnSomething(): void {
    const { chance, lateSteps } = this.#options;
    for (const node of this.#nodes)
      for (const [cell, layout] of this.truth) {
        const unknown = this.#changed.get(cell)![node.of(cell)?.version ?? 0];
        const isDue = unknown !== undefined && this.nowMs - unknown >= LATE_MS;
        if (chance.int(lateSteps) === 0 || isDue) node.learn(cell, layout);
      }
  }

  #learnAll(): void {
    for (const node of this.#nodes) for (const [cell, layout] of this.truth) node.learn(cell, layout);
  }

  /** A region goes to another node, packed. */
  #handOff(): void {
    const { chance } = this.#options;
    const ids = [...this.regions.keys()];
    const id = ids[chance.int(ids.length)];
    if (id === undefined) return;
    const behaviour = this.#behaviourOf(id);
    const packed = structuredClone(behaviour.pack!(this.regions.get(id)!));
    for (const key of [...this.#timers.keys()]) if (key.startsWith(`${id}/`)) this.#timers.delete(key);
    const unpacked = behaviour.unpack!(
      id,
      packed,
      this.#turn(id, () => {}),
    );
    if (!unpacked.ok) throw new Error(unpacked.message);
    this.regions.set(id, unpacked.value);
    this.deliver();
  }

  /** A person's actor goes to another node, which may know other layouts: what it takes along is the last fix. */
  #moveSomebody(): void {
    const { chance, rules } = this.#options;
    const ids = [...this.#tracks.keys()];
    const id = ids[chance.int(ids.length)];
    if (id === undefined) return;
    const { fix } = this.#tracks.get(id)!;
    const route = routeFix(null, fix.role, fix.latE7, fix.lngE7, rules.reachM);
    this.#tracks.set(id, { fix, route, left: [] });
    this.#homes.set(id, chance.int(this.#nodes.length));
  }

  #homeOf(userId: string): number {
    return this.#homes.get(userId) ?? shardOf('user', userId) % this.#nodes.length;
  }

  #behaviourOf(id: string): Behaviour<RegionState, RegionMessage> {
    return this.#behaviours[shardOf('region', id) % this.#nodes.length]!;
  }

  /** Goes on to a moment, timer by timer. */
  #advance(toMs: number): void {
    for (;;) {
      const due = [...this.#timers]
        .filter(([, { atMs }]) => atMs <= toMs)
        .sort((a, b) => a[1].atMs - b[1].atMs);
      if (due.length === 0) break;
      const [key, { atMs, region, message }] = due[0]!;
      this.#timers.delete(key);
      this.nowMs = Math.max(this.nowMs, atMs);
      this.#send('', { kind: 'region', id: region }, message);
      this.deliver();
    }
    this.nowMs = Math.max(this.nowMs, toMs);
  }

  #send(from: string, to: Address, message: object): void {
    if (to.kind !== 'region') return;
    const key = `${from}>${to.id}`;
    const letters = this.#links.get(key);
    const letter = { to: to.id, message: structuredClone(message) as RegionMessage };
    if (letters) letters.push(letter);
    else {
      this.#links.set(key, [letter]);
      this.#waiting.push(key);
    }
  }

  #run(id: string, message: RegionMessage): void {
    let leaving = false;
    const behaviour = this.#behaviourOf(id);
    const turn = this.#turn(id, () => {
      leaving = true;
    });
    let state = this.regions.get(id);
    if (!state) {
      const created = behaviour.create(id, null, turn);
      if (!created.ok) throw new Error(created.message);
      state = created.value;
    }
    this.regions.set(id, behaviour.receive(state, message, turn));
    if (leaving) this.lose(id);
  }

  #turn(id: string, passivate: () => void): Turn {
    return {
      ...this.#outside(id),
      self: { kind: 'region', id },
      ask: (_to, asked, tag) => {
        const { officer, civilian, evidence } = asked as PairMessage;
        this.cells.add(evidence.cell);
        this.happenings.push({ what: 'met', officerId: officer.id, civilianId: civilian.id, atMs: 0 });
        this.#send(id, { kind: 'region', id }, { type: 'answer', tag, result: ok({}) });
      },
      timer: (name, delayMs, message) =>
        this.#timers.set(`${id}/${name}`, {
          region: id,
          atMs: this.nowMs + delayMs,
          message: message as RegionMessage,
        }),
      cancelTimer: name => this.#timers.delete(`${id}/${name}`),
      count: metric => {
        if (metric === 'heyblue_region_handed_over_total') this.handedOver++;
        if (metric === 'heyblue_region_passed_on_total') this.passedOn++;
        if (metric === 'heyblue_region_unanswered_total') this.unanswered++;
      },
      passivate,
    };
  }

  /** A turn of someone who only tells. */
  #outside(id: string): Turn {
    return turnThatOnly({
      self: { kind: 'user', id },
      nowMs: this.nowMs,
      tell: (to, message) => this.#send(id, to, message),
    });
  }
}
