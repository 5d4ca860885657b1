/**
 * The memory of the protocol: every number that was ever given out, with its name and the shape of its tuples.
 * A number is never given to something else and a position is never taken away or retyped, because phones that were
 * built years ago still speak them. `generated/history.json` only grows; a test compares the catalogue with it.
 */
import { COMMANDS, type Command, EVENTS, type Event } from '../catalogue.ts';
import { FRAME } from '../frames.ts';
import type { Field, FieldType } from '../schema.ts';

/** A tuple as its positions: `officerId:id`. */
export type Shape = readonly string[];

export interface Entry {
  readonly name: string;
  readonly arity: number;
  readonly body: Shape;
  /** Commands only. */
  readonly result?: Shape;
  /** Events only: whether it is replayed. */
  readonly durable?: boolean;
}

export interface History {
  readonly frames: Readonly<Record<string, string>>;
  readonly commands: Readonly<Record<string, Entry>>;
  readonly events: Readonly<Record<string, Entry>>;
}

const typeName = (type: FieldType): string => {
  if (type.t === 'enum') return `enum(${type.values.join(',')})`;
  if (type.t === 'list') return `list[${shapeOf(type.of).join(' ')}]`;
  return type.t;
};
const shapeOf = (fields: readonly Field[]): Shape =>
  fields.map(({ name, type, optional }) => `${name}${optional ? '?' : ''}:${typeName(type)}`);

/** What the catalogue says now. */
export const present = (): History => ({
  frames: Object.fromEntries(Object.entries(FRAME).map(([name, number]) => [number, name])),
  commands: Object.fromEntries(
    Object.entries(COMMANDS as Readonly<Record<string, Command>>).map(([name, { code, body, result }]) => [
      code,
      { name, arity: body.length, body: shapeOf(body), result: shapeOf(result) },
    ]),
  ),
  events: Object.fromEntries(
    Object.entries(EVENTS as Readonly<Record<string, Event>>).map(([name, { code, body, durable }]) => [
      code,
      { name, arity: body.length, body: shapeOf(body), durable },
    ]),
  ),
});

/** A closed set and the items of a list may grow at their ends; everything else of a position stays. */
const grew = (was: string, is: string): boolean => {
  if (was === is) return true;
  const open = was.match(/^(.*?:(?:enum\(|list\[))(.*)[)\]]$/);
  if (open === null) return false;
  const [, head, inside] = open;
  const separator = head!.endsWith('(') ? ',' : ' ';
  return is.startsWith(`${head}${inside}${separator}`);
};

const compareShapes = (where: string, was: Shape, is: Shape): string[] =>
  was.flatMap((position, i) => {
    const now = is[i];
    if (now === undefined) return [`${where}: position ${i} (${position}) was removed`];
    return grew(position, now) ? [] : [`${where}: position ${i} was ${position} and is ${now}`];
  });

const compareEntries = (
  what: string,
  was: Readonly<Record<string, Entry>>,
  is: Readonly<Record<string, Entry>>,
): string[] =>
  Object.entries(was).flatMap(([code, old]) => {
    const now = is[code];
    // Retired: the number rests for ever, which the history itself sees to.
    if (now === undefined) return [];
    const where = `${what} ${code} ${old.name}`;
    if (now.name !== old.name) return [`${where}: the number was reused for ${now.name}`];
    const replayed = old.durable === now.durable ? [] : [`${where}: durable became ${now.durable}`];
    return [
      ...replayed,
      ...compareShapes(where, old.body, now.body),
      ...compareShapes(`${where} result`, old.result ?? [], now.result ?? []),
    ];
  });

/** Numbers that stand twice in the catalogue; a record cannot show them. */
export const duplicates = (): string[] =>
  [['command', Object.values(COMMANDS)] as const, ['event', Object.values(EVENTS)] as const].flatMap(
    ([what, all]) => {
      const codes = all.map(({ code }) => code);
      return codes.filter((code, i) => codes.indexOf(code) !== i).map(code => `${what} ${code} stands twice`);
    },
  );

/** What the catalogue broke; empty when every old phone can still speak and listen. */
export const broken = (history: History, now: History): string[] => [
  ...Object.entries(history.frames).flatMap(([number, name]) =>
    now.frames[number] === undefined || now.frames[number] === name
      ? []
      : [`frame ${number} ${name}: the number was reused for ${now.frames[number]}`],
  ),
  ...compareEntries('command', history.commands, now.commands),
  ...compareEntries('event', history.events, now.events),
];

/** The history with today's catalogue in it; what was retired stays. */
export const grown = (history: History, now: History): History => ({
  frames: { ...history.frames, ...now.frames },
  commands: { ...history.commands, ...now.commands },
  events: { ...history.events, ...now.events },
});

export const EMPTY_HISTORY: History = { frames: {}, commands: {}, events: {} };
export const historyText = (history: History): string => `${JSON.stringify(history, null, 1)}\n`;
