/**
 * Fixes that wait for one region, in the order in which they came: what is read of each at every move stands in 64 bytes,
 * one line of memory, and the next fix in the next line. So whoever takes them all reads on and on, instead of looking for
 * each in an object somewhere else; ids and handles are texts, and read only when somebody is new.
 */
import type { FixMessage } from '../messages/region.ts';
import { ABSENT, INSTANT, IS_CIVILIAN, NO_ACCOUNT } from './record.ts';

/** What one turn of a region takes at most: in the worst crowd a few milliseconds. */
export const FIXES_MAX = 128;

/** Numbers of a fix. */
export const FIX_NUMBERS = 8;
export const FIX_ACCOUNT = 0;
/** Unix ms. */
export const FIX_TAKEN = 1;
export const FIX_SEQ = 2;
/** Metres per second. */
export const FIX_EASTWARD = 3;
export const FIX_NORTHWARD = 4;
export const FIX_SPEED = 5;
/** Whole numbers of a fix, in the same 64 bytes. Degrees times 1e7. */
export const FIX_WHOLE = 16;
export const FIX_LAT = 12;
export const FIX_LNG = 13;
/** Flags, and above them the accuracy in decimetres. */
export const FIX_STATE = 14;
/** Bits of doubt. */
export const FIX_TRUST = 15;

/** Flags as a record has them. */
export const FIX_CIVILIAN = IS_CIVILIAN;
export const FIX_INSTANT = INSTANT;
export const FIX_ABSENT = ABSENT;
export const FIX_ACCURACY_SHIFT = 4;

/** Further than any accuracy that is kept. */
const ACCURACY_DM_MAX = 2 ** 26;

/** Where somebody stepped. */
export type Step = Pick<FixMessage, 'userId' | 'latE7' | 'lngE7' | 'takenAtMs'>;

export class Fixes {
  #capacity = 16;
  count = 0;
  numbers = new Float64Array(FIX_NUMBERS * this.#capacity);
  whole = new Int32Array(this.numbers.buffer);
  /** Who they are of, by `Members.find`. */
  found = new Int32Array(this.#capacity);
  readonly ids: string[] = [];
  readonly handles: string[] = [];
  /** By which layout all of them came; undefined for an undivided cell. */
  layout: number | undefined;
  /** Where officers were before: of few, and seldom asked for. */
  readonly #from = new Map<number, { readonly fromLatE7: number; readonly fromLngE7: number }>();

  /** Whether a fix can stand behind those that are here. */
  takes({ layout, dual }: FixMessage): boolean {
    return (this.count === 0 || layout === this.layout) && dual !== true;
  }

  /**
   * Puts a fix behind the others; one that cannot be (no place on the globe, no time) is left out. The first one decides by
   * which layout they came.
   */
  add(fix: FixMessage): void {
    const { latE7, lngE7, takenAtMs, seq, accuracyDm, account, trust } = fix;
    if (
      typeof latE7 !== 'number' ||
      typeof lngE7 !== 'number' ||
      !(latE7 >= -900_000_000 && latE7 <= 900_000_000) ||
      !(lngE7 >= -1_800_000_000 && lngE7 <= 1_800_000_000) ||
      !Number.isFinite(takenAtMs) ||
      !Number.isFinite(seq) ||
      !(accuracyDm >= 0)
    )
      return;
    const { count } = this;
    if (count === this.#capacity) this.#grow();
    if (count === 0) this.layout = fix.layout;
    const { fromLatE7, fromLngE7 } = fix;
    if (fromLatE7 !== undefined && fromLngE7 !== undefined) this.#from.set(count, { fromLatE7, fromLngE7 });
    this.count = count + 1;
    const { numbers, whole } = this;
    const at = FIX_NUMBERS * count;
    const side = FIX_WHOLE * count;
    numbers[at + FIX_ACCOUNT] = account !== undefined && account >= 0 ? account : NO_ACCOUNT;
    numbers[at + FIX_TAKEN] = takenAtMs;
    numbers[at + FIX_SEQ] = seq;
    numbers[at + FIX_EASTWARD] = fix.eastMps ?? 0;
    numbers[at + FIX_NORTHWARD] = fix.northMps ?? 0;
    numbers[at + FIX_SPEED] = fix.speedMps;
    whole[side + FIX_LAT] = latE7;
    whole[side + FIX_LNG] = lngE7;
    const roundDm = accuracyDm < ACCURACY_DM_MAX ? Math.ceil(accuracyDm) : ACCURACY_DM_MAX;
    whole[side + FIX_STATE] =
      (roundDm << FIX_ACCURACY_SHIFT) |
      (fix.role === 'officer' ? 0 : FIX_CIVILIAN) |
      (fix.instant ? FIX_INSTANT : 0) |
      (fix.absent === true ? FIX_ABSENT : 0);
    whole[side + FIX_TRUST] = trust ?? 0;
    this.ids[count] = fix.userId;
    this.handles[count] = fix.handle;
  }

  step(i: number): Step {
    const side = FIX_WHOLE * i;
    return {
      userId: this.ids[i]!,
      latE7: this.whole[side + FIX_LAT]!,
      lngE7: this.whole[side + FIX_LNG]!,
      takenAtMs: this.numbers[FIX_NUMBERS * i + FIX_TAKEN]!,
    };
  }

  /** A fix as it came. */
  at(i: number): FixMessage {
    const { numbers, whole } = this;
    const at = FIX_NUMBERS * i;
    const side = FIX_WHOLE * i;
    const state = whole[side + FIX_STATE]!;
    const account = numbers[at + FIX_ACCOUNT]!;
    const trust = whole[side + FIX_TRUST]!;
    return {
      type: 'fix',
      userId: this.ids[i]!,
      ...(account === NO_ACCOUNT ? {} : { account }),
      role: (state & FIX_CIVILIAN) === 0 ? 'officer' : 'civilian',
      handle: this.handles[i]!,
      instant: (state & FIX_INSTANT) !== 0,
      seq: numbers[at + FIX_SEQ]!,
      latE7: whole[side + FIX_LAT]!,
      lngE7: whole[side + FIX_LNG]!,
      accuracyDm: state >> FIX_ACCURACY_SHIFT,
      takenAtMs: numbers[at + FIX_TAKEN]!,
      speedMps: numbers[at + FIX_SPEED]!,
      eastMps: numbers[at + FIX_EASTWARD]!,
      northMps: numbers[at + FIX_NORTHWARD]!,
      ...((state & FIX_ABSENT) === 0 ? {} : { absent: true }),
      ...(trust === 0 ? {} : { trust }),
      ...(this.layout === undefined ? {} : { layout: this.layout }),
      ...this.#from.get(i),
    };
  }

  /** Forgets them all, also where they were; the texts stay until others take their places. */
  clear(): void {
    this.numbers.fill(0, 0, FIX_NUMBERS * this.count);
    if (this.#from.size > 0) this.#from.clear();
    this.count = 0;
  }

  #grow(): void {
    this.#capacity *= 2;
    const numbers = new Float64Array(FIX_NUMBERS * this.#capacity);
    numbers.set(this.numbers);
    this.numbers = numbers;
    this.whole = new Int32Array(numbers.buffer);
    this.found = new Int32Array(this.#capacity);
  }
}
