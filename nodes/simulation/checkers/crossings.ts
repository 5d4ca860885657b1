/**
 * Each enter has exactly one exit: what a region remembers of two people who came together begins once and ends once, or
 * goes on elsewhere: with the officer who crosses into another region, or with the region that moves to another node. The
 * books are kept beside every life of a region and compared with its slots after each turn; a region that dies takes its
 * slots with it, and that is counted. In the end, when all have gone, no region that lives may remember a pair, unless the
 * actors of both died since: what an actor told whom dies with it, and such a pair ends by silence, a little later.
 */
import type { MatchWatch } from '../../../actors/geo/matcher.ts';
import type { FixMessage, SlotTransfer } from '../../../actors/messages/region.ts';
import type { RegionState } from '../../../actors/region.ts';
import type { AnyBehaviour } from '../../effects.ts';
import type { Chronicle } from '../chronicle.ts';
import type { Judge } from './judge.ts';

interface Life {
  readonly process: string;
  readonly region: string;
  readonly pairs: Set<string>;
}

/** What the region's messages say that matters here. */
type Said =
  | { readonly type: 'depart'; readonly fix: FixMessage }
  | {
      readonly type: 'adopt';
      readonly fix: FixMessage;
      readonly slots: readonly SlotTransfer[];
    }
  | { readonly type: 'other' };

const nameOf = ({ userId, takenAtMs, seq }: FixMessage): string => `${userId} ${takenAtMs} ${seq}`;
const pairOf = (officerId: string, civilianId: string): string => `${officerId}|${civilianId}`;

/** The pairs whose slots a region holds, from its own plain values. */
function heldBy({ matcher }: RegionState): Set<string> {
  const { members, slots } = matcher.pack();
  return new Set(slots.map(([officer, civilian]) => pairOf(members[officer]![0], members[civilian]![0])));
}

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
  /** By the fix that took an officer over a border, with whom he was. */
  readonly #onTheWay = new Map<string, string[]>();
  readonly counts = { entered: 0, ended: 0, carried: 0, moved: 0, merged: 0 };

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
    const began = (region: string, pairs: Set<string>): void => {
      current = { process, region, pairs };
      lives.set(region, current);
      this.#newest.set(region, current);
    };
    const behaviour = make({
      entered: (officerId, civilianId) => {
        this.counts.entered++;
        const pair = pairOf(officerId, civilianId);
        if (current.pairs.has(pair)) this.#fail(current, `${pair} entered, and was in`);
        this.#add(current, pair);
        this.#chronicle.note('two are together', current.region, process, pair);
      },
      ended: (officerId, civilianId, _atMs, reason) => {
        this.counts.ended++;
        const pair = pairOf(officerId, civilianId);
        this.#chronicle.note('two are apart', current.region, process, pair, reason);
        if (!current.pairs.delete(pair)) this.#fail(current, `${pair} ended, and was not in`);
      },
    });
    const watched: AnyBehaviour = {
      ...behaviour,
      create: (id, loaded, turn) => {
        began(id, new Set());
        return behaviour.create(id, loaded, turn);
      },
      receive: (state, message, turn) => {
        current = lives.get(turn.self.id) ?? current;
        const said = message as Said;
        if (said.type === 'adopt') this.#brought(current, said.fix, said.slots);
        const next = behaviour.receive(state, message, turn);
        lifeOf.set(next as RegionState, current);
        if (said.type === 'depart') this.#carried(current, said.fix);
        const { slotCount } = (next as RegionState).matcher;
        if (slotCount !== current.pairs.size) {
          this.#fail(
            current,
            `${slotCount} pairs are in after ${message.type}, ${current.pairs.size} by the book`,
          );
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

  #brought(life: Life, fix: FixMessage, slots: readonly SlotTransfer[]): void {
    const officerId = fix.userId;
    const left = this.#onTheWay.get(nameOf(fix));
    if (
      left !== undefined &&
      left.join() !==
        slots
          .map(one => one.civilianId)
          .sort()
          .join()
    ) {
      this.#fail(life, `${officerId} left with ${left.length} pairs and brings ${slots.length}`);
    }
    for (const { civilianId } of slots) {
      const pair = pairOf(officerId, civilianId);
      // his next fix overtook what he brings: they have come together anew meanwhile
      if (life.pairs.has(pair)) this.counts.merged++;
      this.#add(life, pair);
    }
  }

  #add(life: Life, pair: string): void {
    life.pairs.add(pair);
    this.#heardOf.set(`${life.region} ${pair}`, this.#livesOfBoth(pair));
  }

  #livesOfBoth(pair: string): number[] {
    return pair.split('|').map(this.#livesOf);
  }

  /** Neither actor knows any more that this region is to be told. */
  #isForgotten({ region }: Life, pair: string): boolean {
    const before = this.#heardOf.get(`${region} ${pair}`)!;
    return this.#livesOfBoth(pair).every((lives, side) => lives > before[side]!);
  }

  #carried(life: Life, fix: FixMessage): void {
    const his = `${fix.userId}|`;
    const left: string[] = [];
    for (const pair of life.pairs) {
      if (!pair.startsWith(his)) continue;
      life.pairs.delete(pair);
      left.push(pair.slice(his.length));
      this.counts.carried++;
    }
    this.#onTheWay.set(nameOf(fix), left.sort());
  }

  #fail({ process, region }: Life, words: string): void {
    this.#judge.fail('each enter has one exit', `${region} on ${process}: ${words}`);
  }
}
