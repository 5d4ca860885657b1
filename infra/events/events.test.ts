/** The catalogue keeps its word: what is committed can still be read, and every example is what its schema says. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { broken, type JsonSchema } from './additive.ts';
import { CATALOGUE, EVENT_TYPES, schemaOf } from './catalogue.ts';
import { wrongWith } from './check.ts';
import { renderEvents } from './document.ts';
import { eventText } from './envelope.ts';
import { committed, fileOf, goldenOf, textOf, wanted } from './golden.ts';
import { MOVEMENT_TYPES, movementType } from './movement.ts';
import { UNTOLD } from './untold.ts';

const schema = (): JsonSchema => structuredClone(goldenOf('redemption.confirmed').schema);
type Loose = { properties: Record<string, Loose>; required: string[]; type: string; enum?: string[] };
/** What breaks when the schema of a redemption's data changes like this. */
const changed = (change: (data: Loose) => void): string[] => {
  const now = schema() as unknown as Loose;
  change(now.properties.data!);
  return broken(schema(), now as unknown as JsonSchema);
};

describe('the committed schemas', () => {
  const files = committed();

  it.each(EVENT_TYPES)('%s: whoever read it before can read it now', type => {
    const before = files.get(fileOf(type));
    expect(before, 'run npx node infra/events/generate.ts and commit').toBeDefined();
    expect(broken(before!.schema, goldenOf(type).schema)).toEqual([]);
  });

  it('none is gone, and they and the document are as the catalogue says', () => {
    expect([...files.keys()].sort()).toEqual([...wanted().keys()].sort());
    for (const [file, golden] of wanted())
      expect(textOf(files.get(file)!), `${file}: run npx node infra/events/generate.ts`).toBe(textOf(golden));
    expect(readFileSync(new URL('./EVENTS.md', import.meta.url), 'utf8')).toBe(renderEvents());
  });

  it('their examples are events', () => {
    for (const { event } of files.values()) expect(wrongWith(event)).toBeNull();
  });
});

it('what is said not to be told is not in the catalogue', () => {
  const untold = UNTOLD.flatMap(({ types }) => types);
  expect(new Set(untold).size).toBe(untold.length);
  const has = (type: string) =>
    EVENT_TYPES.some(one => (type.endsWith('.*') ? one.startsWith(type.slice(0, -1)) : one === type));
  expect(untold.filter(has)).toEqual([]);
});

describe('what breaks a reader', () => {
  it('a field that goes, changes its type or may be absent', () => {
    expect(changed(data => delete data.properties.points)).toEqual(['event.data.points is gone']);
    expect(changed(data => (data.properties.points!.type = 'string'))).toEqual([
      'event.data.points was integer and is string',
    ]);
    expect(changed(data => (data.required = data.required.filter(name => name !== 'user')))).toEqual([
      'event.data.user may be absent now',
    ]);
  });

  it('a word that is said no more, a choice that is another', () => {
    const data = (one: object): JsonSchema => ({ properties: { a: one } });
    expect(broken(data({ enum: ['x', 'y'] }), data({ enum: ['x'] }))).toEqual(['event.a says y no more']);
    expect(broken(data({ enum: ['x'] }), data({ enum: ['x', 'y'] }))).toEqual([]);
    expect(broken(data({ anyOf: [{ type: 'string' }, { type: 'null' }] }), data({ type: 'string' }))).toEqual(
      ['event.a is never null any more'],
    );
    expect(broken(data({ type: 'string' }), data({ anyOf: [{ type: 'string' }, { type: 'null' }] }))).toEqual(
      ['event.a may be null now'],
    );
    expect(broken({ items: { type: 'string' } }, { items: { type: 'integer' } })).toEqual([
      'event[] was string and is integer',
    ]);
  });

  it('not a field that comes', () => {
    expect(changed(data => (data.properties.more = { type: 'string' } as Loose))).toEqual([]);
  });
});

it('a movement is called by its reason, and by the mint', () => {
  expect(movementType('donation', false)).toBe('points.donated');
  expect(movementType('giveaway', false)).toBe('points.giveaway');
  expect(movementType('encounter', true)).toBe('encounter.recorded');
  expect(movementType('welcome', true)).toBe('points.awarded');
  expect(movementType('redemption', false)).toBe('points.transferred');
  for (const type of MOVEMENT_TYPES) expect(CATALOGUE).toHaveProperty([type]);
});

it('an event is put together without reading its data', () => {
  const { event } = goldenOf('points.awarded');
  const {
    data,
    source: _,
    detailType: __,
    correlationId: ___,
    userId: ____,
    ...told
  } = event as never as {
    data: object;
    source: string;
    detailType: string;
    correlationId: string;
    userId: string;
  };
  const text = eventText({
    ...(told as never as Parameters<typeof eventText>[0]),
    data: JSON.stringify(data),
  });
  expect(JSON.parse(text)).toEqual(event);
});

it('a field that nobody documented is a mistake of ours, not of a reader', () => {
  const { event } = goldenOf('stock.low');
  const more = { ...event, data: { ...(event.data as object), secret: 1 } };
  expect(wrongWith(more)).toContain('stock.low');
  expect(schemaOf('stock.low').properties).toHaveProperty('data');
});
