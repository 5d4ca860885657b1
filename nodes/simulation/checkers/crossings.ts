/**
 * Each enter has exactly one exit: what a region remembers of two people who came together begins once and ends once, or
 * goes on elsewhere: with the officer who crosses into another region, with the region that moves to another node, or with
 * all that a region knew when it was divided or became a part of another one. The books are kept beside every life of a
 * region and compared with its slots after each turn; a region that dies takes its slots with it, and that is counted. In the
 * end, when all have gone, no region that lives may remember a pair, unless the actors of both died since: what an actor told
 * whom dies with it, and such a pair ends by silence, a little later.
 */
import type { MatchWatch } from '../../../actors/geo/matcher.ts';
import type { AdoptMessage, RegionMessage } from '../../../actors/messages/region.ts';
import type { RegionState } from '../../../actors/region.ts';
import type { Address, Turn } from '../../../actors/turn.ts';
import type { AnyBehaviour } from '../../effects.ts';
import type { Chronicle } from '../chronicle.ts';
import type { Judge } from './judge.ts';

interface Life {
  readonly process: string;
  readonly region: string;
  /** In its slots. */
  pairs: Set<string>;
}

/** What happened to slots in one turn. */
interface Happened {
  readonly events: { readonly pair: string; readonly isEnter: boolean }[];
  /** Told to other regions. */
  readonly out: string[];
}

type Inherit = RegionMessage & { readonly type: 'inherit' };
type Bringing = AdoptMessage | Inherit;

const NAME = 'each enter has one exit';
const pairOf = (officerId: string, civilianId: string): string => `${officerId}|${civilianId}`;

/** The pairs of slots as a region packs them. */
const packedPairs = (members: readonly unknown[], slots: readonly unknown[]): string[] => {
  const idOf = (at: number): string => (members[at] as readonly [string])[0];
  return (slots as (readonly [number, number])[]).map(([officer, civilian]) =>
    pairOf(idOf(officer), idOf(civilian)),
  );
};

/** The pairs whose slots a region holds, from its own plain values. */
function heldBy({ matcher }: RegionState): Set<string> {
  const { members, slots } = matcher.pack();
  return new Set(packedPairs(members, slots));
}

const isBringing = (message: RegionMessage): message is Bringing =>
  message.type === 'adopt' || message.type === 'inherit';

const broughtBy = (message: Bringing): string[] =>
  message.type === 'adopt'
    ? message.slots.map(({ civilianId }) => pairOf(message.fix.userId, civilianId))
    : packedPairs(message.members, message.slots);

/** The same on its way and when it has come; an officer may be passed on from region to region. */
const wayOf = (message: Bringing, to: string): string =>
  message.type === 'adopt'
    ? `the officer ${message.fix.userId} ${message.fix.takenAtMs} ${message.fix.seq}`
    : `what ${message.from} knew, to ${to}`;

/** What came, and waits until others have said what they know. */
const heldBack = ({ division }: RegionState): string[] =>
  division.held.length === 0
    ? NOBODY
    : division.held.flatMap(message => (message.type === 'adopt' ? broughtBy(message) : NOBODY));
const NOBODY: string[] = [];

export class Crossings {
  readonly #judge: Judge;
  readonly #chronicle: Chronicle;
  /** How often a person's actor began. */
  readonly #livesOf: (userId: string) => number;
  /** How often the actors of a pair had begun when a region heard that the two are together, by region and pair. */
  readonly #heardOf = new Map<string, readonly number[]>();
  /** Newest life of each region, whoever has it. */
  readonly #newest = new Map<string, Life>();
  /** What was packed last of each region. */
  readonly #packed = new Map<string, Set<string>>();
  /** What regions gave each other and nobody has taken yet: pairs, by what brings them. */
  readonly #onTheWay = new Map<string, string[]>();
  readonly counts = { entered: 0, ended: 0, carried: 0, moved: 0, divided: 0, united: 0 };

  constructor(judge: Judge, chronicle: Chronicle, livesOf: (userId: string) => number) {
    this.#judge = judge;
    this.#chronicle = chronicle;
    this.#livesOf = livesOf;
  }

  /** The regions of one process, watched. */
  watch(process: string, make: (watch: MatchWatch) => AnyBehaviour): AnyBehaviour {
    const lives = new Map<string, Life>();
    const lifeOf = new WeakMap<RegionState, Life>();
    let current: Life = { process, region: '', pairs: new Set() };
    let happened: Happened = { events: [], out: [] };
    const began = (region: string, pairs: Set<string>): void => {
      current = { process, region, pairs };
      happened = { events: [], out: [] };
      lives.set(region, current);
      this.#newest.set(region, current);
    };
    const behaviour = make({
      entered: (officerId, civilianId) => {
        this.counts.entered++;
        const pair = pairOf(officerId, civilianId);
        happened.events.push({ pair, isEnter: true });
        this.#chronicle.note('two are together', current.region, process, pair);
      },
      ended: (officerId, civilianId, _atMs, reason) => {
        this.counts.ended++;
        const pair = pairOf(officerId, civilianId);
        happened.events.push({ pair, isEnter: false });
        this.#chronicle.note('two are apart', current.region, process, pair, reason);
      },
    });
    const watched: AnyBehaviour = {
      ...behaviour,
      create: (id, loaded, turn) => {
        began(id, new Set());
        return behaviour.create(id, loaded, turn);
      },
      receive: (before, given, turn) => {
        const state = before as RegionState;
        const message = given as RegionMessage;
        current = lives.get(turn.self.id) ?? current;
        happened = { events: [], out: [] };
        const had = heldBack(state);
        const brought = isBringing(message) ? this.#brought(current, message) : NOBODY;
        const next = listening(
          turn,
          (to, told) => this.#told(current, happened, to.id, told as RegionMessage),
          () => behaviour.receive(state, given, turn) as RegionState,
        );
        lifeOf.set(next, current);
        const has = heldBack(next);
        const nothing = had.length + brought.length + happened.out.length + has.length === 0;
        // who tells of people and of no pair may have heard newer fixes: put together, those who are in enter on his side
        if (nothing && message.type !== 'inherit') this.#inOrder(current, happened);
        else this.#together(current, next, happened, [...had, ...brought], has);
        const { slotCount } = next.matcher;
        if (slotCount !== current.pairs.size) {
          const words = `${slotCount} pairs are in after ${message.type}, ${current.pairs.size} by the book`;
          this.#fail(current, words);
        }
        return next;
      },
    };
    const { pack, unpack } = behaviour;
    if (!pack || !unpack) return watched;
    return {
      ...watched,
      pack: state => {
        const life = lifeOf.get(state as RegionState);
        if (life) this.#packed.set(life.region, new Set(life.pairs));
        return pack(state);
      },
      unpack: (id, packed, turn) => {
        const state = unpack(id, packed, turn);
        if (!state.ok) return state;
        const pairs = heldBy(state.value as RegionState);
        began(id, pairs);
        lifeOf.set(state.value as RegionState, current);
        this.counts.moved += pairs.size;
        const before = this.#packed.get(id) ?? new Set();
        const lost = [...before].filter(pair => !pairs.has(pair));
        if (pairs.size !== before.size || lost.length > 0) {
          this.#fail(current, `it was packed with ${before.size} pairs and goes on with ${pairs.size}`);
        }
        return state;
      },
    };
  }

  /** In how many regions each pair is. */
  held(): Map<string, number> {
    const held = new Map<string, number>();
    for (const { pairs } of this.#newest.values())
      for (const pair of pairs) held.set(pair, (held.get(pair) ?? 0) + 1);
    return held;
  }

  /**
   * All have gone, and everything is quiet.
   *
   * @param lives whether a process is there and owns this region
   * @param isLater and has been for so long that silence has ended whatever nobody could end
   */
  judge(lives: (process: string, region: string) => boolean, isLater: boolean): void {
    for (const life of this.#newest.values()) {
      if (!lives(life.process, life.region)) continue;
      const left = [...life.pairs].filter(pair => isLater || !this.#isForgotten(life, pair));
      if (left.length > 0) this.#fail(life, `${left.join(' ')} never ended`);
    }
  }

  /** Nothing can have been lost: what regions gave each other has come. */
  judgeWay(): void {
    for (const [key, told] of this.#onTheWay)
      if (told.length > 0) this.#judge.fail(NAME, `${key}: ${told.join('; ')} never came`);
  }

  /** Nobody came and nothing went: one thing after the other. */
  #inOrder(life: Life, { events }: Happened): void {
    for (const { pair, isEnter } of events) {
      if (!isEnter) {
        if (!life.pairs.delete(pair)) this.#fail(life, `${pair} ended, and was not in`);
        continue;
      }
      if (life.pairs.has(pair)) this.#fail(life, `${pair} entered, and was in`);
      life.pairs.add(pair);
      this.#heard(life, pair);
    }
  }

  /**
   * What two regions knew was put together, or taken apart: a pair that both knew is one then. Whatever there was is there,
   * has ended, waits, or went on; and nothing is there, waits or went on that there was not.
   */
  #together(
    life: Life,
    state: RegionState,
    { events, out }: Happened,
    came: readonly string[],
    waits: readonly string[],
  ): void {
    const entered = events.filter(({ isEnter }) => isEnter).map(({ pair }) => pair);
    const was = new Set([...life.pairs, ...came, ...entered]);
    const isIn = heldBy(state);
    const went = new Set([...isIn, ...waits, ...out]);
    for (const { pair, isEnter } of events) if (!isEnter) went.add(pair);
    for (const pair of was)
      if (!went.has(pair)) this.#fail(life, `${pair} was in, and nobody knows where it is`);
    for (const pair of went) if (!was.has(pair)) this.#fail(life, `${pair} is in, and never entered`);
    for (const pair of isIn) if (!life.pairs.has(pair)) this.#heard(life, pair);
    life.pairs = isIn;
  }

  #brought(life: Life, message: Bringing): string[] {
    const pairs = broughtBy(message).sort();
    if (pairs.length === 0) return pairs;
    const way = wayOf(message, life.region);
    const told = this.#onTheWay.get(way) ?? [];
    const at = told.indexOf(pairs.join(' '));
    if (at < 0) this.#fail(life, `${way}: ${pairs.join(' ')} was never said`);
    else told.splice(at, 1);
    return pairs;
  }

  #told(life: Life, { out }: Happened, to: string, message: RegionMessage): void {
    if (!isBringing(message)) return;
    const pairs = broughtBy(message).sort();
    if (pairs.length === 0) return;
    const way = wayOf(message, to);
    const told = this.#onTheWay.get(way) ?? [];
    this.#onTheWay.set(way, told);
    told.push(pairs.join(' '));
    out.push(...pairs);
    if (message.type === 'adopt') this.counts.carried += pairs.length;
    else this.counts[to.length > life.region.length ? 'divided' : 'united'] += pairs.length;
  }

  #heard({ region }: Life, pair: string): void {
    this.#heardOf.set(`${region} ${pair}`, this.#livesOfBoth(pair));
  }

  #livesOfBoth(pair: string): number[] {
    return pair.split('|').map(this.#livesOf);
  }

  /** Neither actor knows any more that this region is to be told. */
  #isForgotten({ region }: Life, pair: string): boolean {
    const before = this.#heardOf.get(`${region} ${pair}`)!;
    return this.#livesOfBoth(pair).every((lives, side) => lives > before[side]!);
  }

  #fail({ process, region }: Life, words: string): void {
    this.#judge.fail(NAME, `${region} on ${process}: ${words}`);
  }
}

/** Runs a turn and hears what is told in it. The turn is one object for all, so its own `tell` is back afterwards. */
function listening<T>(turn: Turn, heard: (to: Address, message: object) => void, run: () => T): T {
  const own = turn as { tell?: Turn['tell'] };
  const tell = turn.tell.bind(turn);
  own.tell = (to, message) => {
    heard(to, message);
    tell(to, message);
  };
  try {
    return run();
  } finally {
    delete own.tell;
  }
}
