/** What happens to a picture of a code between a screen and a reader: noise, blur, something in front of it. */
import type { Random } from '../swarm/random.ts';

/** Grey levels, row by row. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly grey: Uint8ClampedArray;
}

export type Damage = (picture: Picture, random: Random) => Picture;

const mapped = (picture: Picture, at: (i: number, x: number, y: number) => number): Picture => {
  const grey = new Uint8ClampedArray(picture.grey.length);
  for (let i = 0; i < grey.length; i++) grey[i] = at(i, i % picture.width, Math.floor(i / picture.width));
  return { ...picture, grey };
};

export const untouched: Damage = picture => picture;

/** Each pixel is moved by a normal draw of this standard deviation, in grey levels of 255. */
export const noise =
  (deviation: number): Damage =>
  (picture, random) =>
    mapped(picture, i => {
      const [u, v] = [1 - random.unit(), random.unit()];
      return picture.grey[i]! + deviation * Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
    });

/** The mean of a square of `2 * radius + 1` pixels, twice: close to a lens that is out of focus. */
export const blur =
  (radius: number): Damage =>
  picture => {
    const once = (from: Picture): Picture =>
      mapped(from, (_i, x, y) => {
        let sum = 0;
        let count = 0;
        for (let dy = -radius; dy <= radius; dy++) {
          for (let dx = -radius; dx <= radius; dx++) {
            const [at, row] = [x + dx, y + dy];
            if (at < 0 || row < 0 || at >= from.width || row >= from.height) continue;
            sum += from.grey[row * from.width + at]!;
            count++;
          }
        }
        return sum / count;
      });
    return once(once(picture));
  };

/** A grey spot, a square of this share of the code's own area, somewhere on it but not on its three corners. */
export const spot =
  (share: number, marginShare: number, cornerShare: number): Damage =>
  (picture, random) => {
    const { width } = picture;
    const code = width * (1 - 2 * marginShare);
    const side = Math.sqrt(share) * code;
    const edge = width * marginShare;
    const corner = edge + cornerShare * code;
    const meets = (x: number, y: number): boolean => {
      const [left, top] = [x < corner, y < corner];
      const [right, bottom] = [x + side > width - corner, y + side > width - corner];
      return (left && top) || (right && top) || (left && bottom);
    };
    let [x, y] = [corner, corner];
    for (let tries = 0; tries < 1_000; tries++) {
      const draw = (): number => edge + random.unit() * (code - side);
      [x, y] = [draw(), draw()];
      if (!meets(x, y)) break;
    }
    return mapped(picture, (i, px, py) =>
      px >= x && px < x + side && py >= y && py < y + side ? 128 : picture.grey[i]!,
    );
  };
