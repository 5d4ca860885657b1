/** The search finds a coordinate in every shape in which somebody may write it, and does not cry at what is none. */
import { encode } from '@msgpack/msgpack';
import { describe, expect, it } from 'vitest';
import { geohash, Needles } from './needles.ts';

const SENT = { latE7: 687_134_561, lngE7: -1_335_401_237 };
const lat = SENT.latE7 / 1e7;
const lng = SENT.lngE7 / 1e7;
const needles = new Needles([SENT, { latE7: 687_151_111, lngE7: -1_335_477_777 }]);
const shapes = (written: string | Uint8Array): string[] =>
  needles.search('here', written).map(one => one.shape);

const int32 = (little: boolean): Uint8Array => {
  const bytes = new DataView(new ArrayBuffer(19));
  bytes.setInt32(3, SENT.latE7, little);
  bytes.setInt32(11, SENT.lngE7, little);
  return new Uint8Array(bytes.buffer);
};
const float64 = (little: boolean): Uint8Array => {
  const bytes = new DataView(new ArrayBuffer(13));
  bytes.setFloat64(5, lat, little);
  return new Uint8Array(bytes.buffer);
};

describe('found', () => {
  it.each([
    ['degrees in full', `at ${lat}`],
    ['one of the two is enough', `{"x":${lng}}`],
    ['six digits', `${lat.toFixed(6)} ${lng.toFixed(6)}`],
    ['five digits', lat.toFixed(5)],
    ['four digits, both', `(${lat.toFixed(4)}, ${lng.toFixed(4)})`],
    ['three digits, both', `lat=${lat.toFixed(3)}&lng=${lng.toFixed(3)}`],
    ['E7', `{"latE7":${SENT.latE7}}`],
    ['E6, both', `${Math.round(lat * 1e6)},${Math.round(lng * 1e6)}`],
    ['E5, both', `${Math.round(lat * 1e5)},${Math.round(lng * 1e5)}`],
    ['a geohash', `cell ${geohash(lat, lng, 8)}`],
    ['a geohash of six letters', geohash(lat, lng, 6)],
    ['int32, big end first', int32(false)],
    ['int32, little end first', int32(true)],
    ['float64, big end first', float64(false)],
    ['float64, little end first', float64(true)],
    ['MessagePack of integers', encode({ a: 1, lat: SENT.latE7, lng: SENT.lngE7 })],
    ['MessagePack of floats', encode([lat, lng])],
    ['JSON in base64', JSON.stringify({ body: btoa(JSON.stringify({ lat, lng })) })],
    [
      'MessagePack in base64',
      `Data: ${Buffer.from(encode([SENT.latE7, SENT.lngE7, 7, 'more'])).toString('base64')}`,
    ],
    ['bytes as the database prints them', `\\x${Buffer.from(int32(false)).toString('hex')}`],
    ['JSON in hex in base64', btoa(Buffer.from(JSON.stringify({ lat, lng })).toString('hex'))],
  ])('%s', (_, written) => {
    expect(shapes(written)).not.toEqual([]);
  });
});

describe('not found', () => {
  it.each([
    ['a duration', 'took 68.713 ms of 133 ms'],
    ['two numbers of one line', 'p50 68.71 p99 133.54'],
    ['a time', '{"time":1795000000000,"atS":1795000000}'],
    ['an identifier', '019c0f4e-1a2b-7c3d-8e4f-687134561abc'],
    ['somebody elsewhere', '{"lat":40.7581234,"lng":-73.9855123}'],
    ['a coarse cell', '{"cell":"r104857601"}'],
    ['bytes', Uint8Array.from({ length: 4_096 }, (_, i) => (i * 73 + (i >> 3)) & 255)],
  ])('%s', (_, written) => {
    expect(needles.search('here', written)).toEqual([]);
  });
});
