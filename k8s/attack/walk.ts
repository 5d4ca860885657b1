/**
 * How an officer walks his beat: from one drawn point to the next within so many metres of its middle, with rests. The
 * truth walks so, and so does every hypothesis of the attacker: he knows the model, which makes him as good as he can be.
 */
/** Uniform in [0, 1). */
export type Draw = () => number;

/** Numbers of one walk in a Float64Array. */
export const STRIDE = 8;
export const HOME_X = 0;
export const HOME_Y = 1;
export const BEAT_M = 2;
export const X = 3;
export const Y = 4;
const TO_X = 5;
const TO_Y = 6;
const REST_S = 7;

const WALK_MPS = 1.4;
const REST_SHARE = 0.3;
const REST_S_MAX = 120;
/** Somebody at a post, somebody on a beat, somebody who walks far. */
export const BEATS_M = [100, 1_000, 3_000] as const;

export function drawNormal(draw: Draw): number {
  return Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
}

/** A new goal within the beat. */
export function turn(walks: Float64Array, at: number, draw: Draw): void {
  const r = walks[at + BEAT_M]! * Math.sqrt(draw());
  const angle = 2 * Math.PI * draw();
  walks[at + TO_X] = walks[at + HOME_X]! + r * Math.cos(angle);
  walks[at + TO_Y] = walks[at + HOME_Y]! + r * Math.sin(angle);
}

/** Somebody whose beat lies about this point; he begins anywhere in it. */
export function begin(
  walks: Float64Array,
  at: number,
  homeX: number,
  homeY: number,
  beatM: number,
  draw: Draw,
): void {
  walks[at + HOME_X] = homeX;
  walks[at + HOME_Y] = homeY;
  walks[at + BEAT_M] = beatM;
  turn(walks, at, draw);
  walks[at + X] = walks[at + TO_X]!;
  walks[at + Y] = walks[at + TO_Y]!;
  turn(walks, at, draw);
  walks[at + REST_S] = 0;
}

export function step(walks: Float64Array, at: number, seconds: number, draw: Draw): void {
  const rest = walks[at + REST_S]!;
  if (rest > 0) {
    walks[at + REST_S] = rest - seconds;
    return;
  }
  const dx = walks[at + TO_X]! - walks[at + X]!;
  const dy = walks[at + TO_Y]! - walks[at + Y]!;
  const far = Math.hypot(dx, dy);
  const goes = WALK_MPS * seconds;
  if (far <= goes) {
    walks[at + X] = walks[at + TO_X]!;
    walks[at + Y] = walks[at + TO_Y]!;
    turn(walks, at, draw);
    if (draw() < REST_SHARE) walks[at + REST_S] = draw() * REST_S_MAX;
  } else {
    walks[at + X]! += (dx / far) * goes;
    walks[at + Y]! += (dy / far) * goes;
  }
}
