/**
 * An area as it is stored: whole numbers, little-endian when they are bytes. First the number of polygons; of each the
 * number of rings; of each the number of corners (the last is the first) and then longitude and latitude of each corner,
 * degrees times 1e7. The first ring of a polygon is its outside, the others are holes.
 */
import { PLACES_LIMITS } from './limits.ts';

/** Where the corners of a ring stand. */
export interface RingPlace {
  readonly first: number;
  readonly corners: number;
}

/** @throws Error when it is no shape */
export function readShape(shape: Int32Array): RingPlace[][] {
  let at = 0;
  const next = (max: number): number => {
    const value = shape[at++];
    if (value === undefined || value < 1 || value > max) throw new Error('not a shape');
    return value;
  };
  const polygons: RingPlace[][] = [];
  for (let polygon = next(PLACES_LIMITS.vertices); polygon > 0; polygon--) {
    const rings: RingPlace[] = [];
    for (let ring = next(PLACES_LIMITS.vertices); ring > 0; ring--) {
      const corners = next(PLACES_LIMITS.ringVertices);
      rings.push({ first: at, corners });
      at += 2 * corners;
      if (at > shape.length) throw new Error('not a shape');
    }
    polygons.push(rings);
  }
  if (at !== shape.length) throw new Error('not a shape');
  return polygons;
}

/** The bytes of a shape, wherever this runs. */
export function shapeBytes(shape: Int32Array): Uint8Array {
  const bytes = new Uint8Array(shape.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < shape.length; i++) view.setInt32(i * 4, shape[i]!, true);
  return bytes;
}

/** @throws Error when the bytes are no shape */
export function shapeOf(bytes: Uint8Array): Int32Array {
  if (bytes.length % 4 !== 0) throw new Error('not a shape');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = new Int32Array(bytes.length / 4);
  for (let i = 0; i < shape.length; i++) shape[i] = view.getInt32(i * 4, true);
  readShape(shape);
  return shape;
}
