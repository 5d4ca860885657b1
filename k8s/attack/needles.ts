/**
 * Finds coordinates in whatever was written: text, JSON, database rows, raw bytes.
 *
 * The people of the hour stand at a place whose digits are rare, so a few kinds of trace are enough to see them all:
 * decimal degrees with three digits and more, integers of 1e5 to 1e7 as text, 32-bit integers and 64-bit floats in both byte
 * orders (and so the numbers of MessagePack, of a database's bytea and of protocol buffers with fixed width), geohashes of
 * six letters, and all of it inside base64 and hex. What chance brings forth (a duration of 68.713 ms) is told apart by
 * asking for both coordinates close to each other, save where a single one is long enough.
 */
export interface Sent {
  readonly latE7: number;
  readonly lngE7: number;
}

export interface Found {
  readonly where: string;
  /** In which shape it was found. */
  readonly shape: string;
  readonly around: string;
}

/** How far apart the two numbers of one position stand at most, characters or bytes. */
const NEAR = 120;
/** Degrees times 1e7 within which a number of the text is that of a person: one metre. */
const SLACK_E7 = 100;
const GEOHASH = '0123456789bcdefghjkmnpqrstuvwxyz';
const GEOHASH_LENGTH = 6;
const NESTED_MAX = 3;
const AROUND = 60;

export class Needles {
  readonly #lats: Float64Array;
  readonly #lngs: Float64Array;
  readonly #hashes: Set<string>;
  readonly #box: { latMin: number; latMax: number; lngMin: number; lngMax: number };

  constructor(sent: readonly Sent[]) {
    this.#lats = Float64Array.from(new Set(sent.map(one => one.latE7))).toSorted();
    this.#lngs = Float64Array.from(new Set(sent.map(one => one.lngE7))).toSorted();
    this.#hashes = new Set(sent.map(one => geohash(one.latE7 / 1e7, one.lngE7 / 1e7, GEOHASH_LENGTH)));
    const grown = 20_000;
    this.#box = {
      latMin: this.#lats[0]! - grown,
      latMax: this.#lats.at(-1)! + grown,
      lngMin: this.#lngs[0]! - grown,
      lngMax: this.#lngs.at(-1)! + grown,
    };
  }

  /** Everything found in one piece of what was written. */
  search(where: string, written: string | Uint8Array, nested = 0): Found[] {
    const found: Found[] = [];
    const bytes =
      typeof written === 'string' ? null : Buffer.from(written.buffer, written.byteOffset, written.length);
    const text = typeof written === 'string' ? written : bytes!.toString('latin1');
    this.#numbers(where, text, found);
    this.#geohashes(where, text, found);
    if (bytes !== null) this.#binary(where, bytes, found);
    if (nested < NESTED_MAX) {
      for (const [token] of text.matchAll(/[A-Za-z0-9+/_-]{12,}={0,2}/g))
        found.push(...this.search(`${where} > base64`, Buffer.from(token, 'base64'), nested + 1));
      for (const [token] of text.matchAll(/(?:[0-9a-fA-F]{2}){8,}/g))
        found.push(...this.search(`${where} > hex`, Buffer.from(token, 'hex'), nested + 1));
    }
    return found;
  }

  #isLat(e7: number): boolean {
    return e7 >= this.#box.latMin && e7 <= this.#box.latMax;
  }

  #isLng(e7: number): boolean {
    return e7 >= this.#box.lngMin && e7 <= this.#box.lngMax;
  }

  #numbers(where: string, text: string, found: Found[]): void {
    const lats: number[] = [];
    const lngs: number[] = [];
    for (const match of text.matchAll(/\d+(?:\.\d+)?/g)) {
      const [digits] = match;
      if (digits.length < 5) continue;
      const at = match.index;
      const value = Number(digits);
      const decimals = digits.length - 1 - digits.indexOf('.');
      const isDecimal = digits.includes('.');
      if (isDecimal && decimals < 3) continue;
      // a piece of an identifier is no number
      const beside = (text[at - 1] ?? ' ') + (text[at + digits.length] ?? ' ');
      if (!isDecimal && /[0-9a-f]/i.test(beside)) continue;
      const scales = isDecimal ? [1e7] : [1, 10, 100];
      for (const scale of scales) {
        const e7 = Math.round(value * scale);
        const isLat = this.#isLat(e7);
        // the longitude is west: its minus may stand apart from it
        if (!isLat && !this.#isLng(-e7)) continue;
        (isLat ? lats : lngs).push(at);
        // long enough to be nobody else's
        const isLong = isDecimal ? decimals >= 5 : scale === 1;
        if (isLong && near(isLat ? this.#lats : this.#lngs, isLat ? e7 : -e7))
          found.push(this.#found(where, isDecimal ? 'decimal' : 'E7 text', text, at));
      }
    }
    for (const lat of lats)
      if (lngs.some(lng => Math.abs(lng - lat) <= NEAR)) found.push(this.#found(where, 'pair', text, lat));
  }

  #geohashes(where: string, text: string, found: Found[]): void {
    for (const match of text.matchAll(/[0-9b-hjkmnp-z]{6,}/gi)) {
      const word = match[0].slice(0, GEOHASH_LENGTH).toLowerCase();
      if (this.#hashes.has(word) && !/^[0-9a-f]+$/.test(word))
        found.push(this.#found(where, 'geohash', text, match.index));
    }
  }

  #binary(where: string, bytes: Buffer, found: Found[]): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const little of [false, true]) {
      for (let at = 0; at + 4 <= bytes.length; at++) {
        if (this.#isLat(view.getInt32(at, little))) {
          const until = Math.min(bytes.length - 4, at + 24);
          for (let other = Math.max(0, at - 24); other <= until; other++)
            if (this.#isLng(view.getInt32(other, little)))
              found.push(this.#found(where, `int32 ${little ? 'LE' : 'BE'}`, bytes.toString('hex'), at * 2));
        }
        if (at + 8 > bytes.length) continue;
        const float = view.getFloat64(at, little);
        const isNumber = Math.abs(float) > 1e-3 && Math.abs(float) < 1e10;
        if (!isNumber) continue;
        for (const e7 of [float * 1e7, float])
          if ((this.#isLat(e7) && near(this.#lats, e7)) || (this.#isLng(e7) && near(this.#lngs, e7)))
            found.push(this.#found(where, `float64 ${little ? 'LE' : 'BE'}`, bytes.toString('hex'), at * 2));
      }
    }
  }

  #found(where: string, shape: string, text: string, at: number): Found {
    return { where, shape, around: text.slice(Math.max(0, at - AROUND), at + AROUND) };
  }
}

/** Whether a sorted list has a value this close. */
function near(sorted: Float64Array, value: number): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value - SLACK_E7) low = middle + 1;
    else high = middle;
  }
  return low < sorted.length && sorted[low]! <= value + SLACK_E7;
}

export function geohash(lat: number, lng: number, length: number): string {
  const range = [
    [-180, 180],
    [-90, 90],
  ] as [[number, number], [number, number]];
  let text = '';
  let bits = 0;
  for (let i = 0; text.length < length; i++) {
    const axis = range[i % 2]!;
    const middle = (axis[0] + axis[1]) / 2;
    const value = i % 2 === 0 ? lng : lat;
    bits = bits * 2 + (value >= middle ? 1 : 0);
    axis[value >= middle ? 0 : 1] = middle;
    if (i % 5 === 4) {
      text += GEOHASH[bits];
      bits = 0;
    }
  }
  return text;
}
