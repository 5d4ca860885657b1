/**
 * After `off` nobody is matched or listed. Phones say where they are all the while, as one that cheats or lags behind does,
 * and what they say between the answer that confirms a mode without positions and the next word that asks for one counts
 * for nobody: `together.ts` explains no meeting by it. At the end, when all have gone, no region of the square may remember
 * anybody, and no area anybody but those who chose `coarse`.
 *
 * An interval is only believed when nothing else that changes the mode was under way around it: whatever has an unknown
 * outcome may still happen.
 */
import type { AreaState } from '../../../actors/area.ts';
import type { RegionState } from '../../../actors/region.ts';
import type { AnyBehaviour } from '../../effects.ts';
import type { Op } from '../history.ts';
import type { Judge } from './judge.ts';

const MODES: ReadonlySet<string> = new Set([
  'location.share',
  'location.stop',
  'location.mode',
  'hub.checkIn',
]);
const isShown = ({ name, body }: Op): boolean =>
  name === 'location.share' || (name === 'location.mode' && body.mode === 'precise');

interface Person {
  underWay: number;
  /** Something asked for is not known to have happened or not. */
  unknown: boolean;
  /** When the mode was asked to change last, or that was answered. */
  touchedMs: number;
  hidden: boolean;
  /** Areas may know him all the same. */
  coarse: boolean;
}

export interface Life {
  readonly process: string;
  readonly kind: 'region' | 'area';
  readonly id: string;
  readonly state: RegionState | AreaState;
}

/** Place of a packed member in which stands when its newest position was taken (`actors/geo/memberPacking.ts`). */
const TAKEN = 9;

export class Hidden {
  readonly #judge: Judge;
  readonly #people = new Map<string, Person>();
  readonly #newest = new Map<string, Life>();
  /** How often each person's actor began anew, and how often it had when an area heard of the person. */
  readonly #begun = new Map<string, number>();
  readonly #heardOf = new Map<string, number>();

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** Whether the phone was told that nobody matches its positions, and has asked for nothing else since. */
  isHidden(userId: string): boolean {
    return this.#people.get(userId)?.hidden ?? false;
  }

  /** A phone asks for something. @returns whether it may be matched from now on */
  asked(op: Op, nowMs: number): boolean {
    if (!MODES.has(op.name)) return false;
    const person = this.#of(op.user);
    const wasHidden = person.hidden;
    person.underWay++;
    person.touchedMs = nowMs;
    if (isShown(op)) person.hidden = false;
    return wasHidden && !person.hidden;
  }

  ended(op: Op, nowMs: number): void {
    if (!MODES.has(op.name)) return;
    const person = this.#of(op.user);
    const isAlone = person.touchedMs === op.askedMs && person.underWay === 1;
    person.underWay--;
    person.touchedMs = nowMs;
    if (op.outcome === 'unknown') person.unknown = true;
    if (op.outcome !== 'ok' || isShown(op) || !isAlone || person.unknown) return;
    person.hidden = true;
    person.coarse = op.body.mode === 'coarse';
  }

  /** How often this person's actor began. */
  livesOf(userId: string): number {
    return this.#begun.get(userId) ?? 0;
  }

  /** People: whose actor begins anew knows not whom it told before. */
  watchUsers(behaviour: AnyBehaviour): AnyBehaviour {
    return {
      ...behaviour,
      create: (id, loaded, turn) => {
        this.#begun.set(id, this.livesOf(id) + 1);
        return behaviour.create(id, loaded, turn);
      },
    };
  }

  /** The regions or areas of one process: the newest life of each is kept in sight. */
  watch(process: string, behaviour: AnyBehaviour): AnyBehaviour {
    const { kind } = behaviour;
    if (kind !== 'region' && kind !== 'area') return behaviour;
    return {
      ...behaviour,
      receive: (state, message, turn) => {
        const next = behaviour.receive(state, message, turn);
        const { id } = turn.self;
        if (kind === 'area' && message.type === 'enter')
          this.#heardOf.set(`${id} ${message.userId}`, this.livesOf(message.userId));
        this.#newest.set(`${kind} ${id}`, { process, kind, id, state: next });
        return next;
      },
    };
  }

  /**
   * Everybody has gone, and everything is quiet.
   *
   * What a person's actor told whom dies with it, and then they forget by themselves, later. So a region is asked for
   * positions that were taken since `sinceMs` (town milliseconds of the world), when all was well and everybody shared once
   * more, and an area for people of whom it heard from the last life of their actor; and in lossy weather nobody is asked
   * for hubs, which an officer leaves once. Of officers this is no excuse for long: {@link judgeLater}.
   *
   * @param lives whether a process is there and owns this actor of the square
   */
  judge(
    lives: (life: Life) => boolean,
    weather: {
      readonly sinceMs: number;
      readonly isDated: (userId: string) => boolean;
      readonly isLossy: boolean;
    },
  ): void {
    const { sinceMs, isDated, isLossy } = weather;
    for (const life of this.#newest.values()) {
      if (!lives(life)) continue;
      const left =
        life.kind === 'area'
          ? inArea(life.state as AreaState, !isLossy).filter(
              userId =>
                !this.#of(userId).coarse &&
                this.#heardOf.get(`${life.id} ${userId}`) === this.livesOf(userId),
            )
          : inRegion(life.state as RegionState, sinceMs).filter(isDated);
      this.#nobody(life, left);
    }
  }

  /**
   * And has been for so long that officers are forgotten whoever knew of them, whatever was lost: nobody is left in any
   * region, and in areas only those who reported seldom.
   */
  judgeLater(lives: (life: Life) => boolean, isOfficer: (userId: string) => boolean): void {
    for (const life of this.#newest.values()) {
      if (!lives(life)) continue;
      const left =
        life.kind === 'area'
          ? (life.state as AreaState).members.filter(({ often }) => often).map(({ userId }) => userId)
          : inRegion(life.state as RegionState, Number.NEGATIVE_INFINITY).filter(isOfficer);
      this.#nobody(life, left);
    }
  }

  #nobody({ kind, id, process }: Life, left: readonly string[]): void {
    const known = left.filter(userId => this.isHidden(userId));
    if (known.length === 0) return;
    const words = `the ${kind} ${id} of ${process} remembers ${known.join(' ')}, who went`;
    this.#judge.fail('who is off is forgotten', words);
  }

  #of(userId: string): Person {
    let person = this.#people.get(userId);
    if (!person) {
      person = { underWay: 0, unknown: false, touchedMs: 0, hidden: false, coarse: false };
      this.#people.set(userId, person);
    }
    return person;
  }
}

const inRegion = ({ matcher }: RegionState, sinceMs: number): string[] =>
  matcher
    .pack()
    .members.filter(member => (member[TAKEN] as number) >= sinceMs)
    .map(([id]) => id);

const inArea = ({ byId, hubs }: AreaState, withHubs: boolean): string[] => [
  ...byId.keys(),
  ...(withHubs ? [...hubs.values()].flatMap(({ officers }) => [...officers.keys()]) : []),
];
