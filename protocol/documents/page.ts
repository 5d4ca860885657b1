/** `PROTOCOL.md`: the prose of the template with tables and bytes from the catalogue. */
import {
  ACCOUNT_KINDS,
  COMMANDS,
  type Command,
  type CommandName,
  EVENTS,
  type Event,
  type EventName,
  PROTOCOL_VERSION,
  SUBPROTOCOL,
} from '../catalogue.ts';
import { CLOSE, ERROR, type ErrorCode, refuse } from '../errors.ts';
import { type Golden, goldenCommand, goldenEvent, goldenNamed, goldenReply } from '../golden.ts';
import {
  ACCURACY_DM_MAX,
  APP_BYTES_MAX,
  BATCH_FRAMES_MAX,
  DEVICE_ID_BYTES_MAX,
  HELLO_TIMEOUT_MS,
  INBOUND,
  OUTBOUND,
} from '../limits.ts';
import type { Field, FieldType } from '../schema.ts';
import { notation, plainOf, toHex } from './plain.ts';
import { TRANSCRIPT } from './transcript.ts';
import { CLOSE_WORDS, ERROR_WORDS, NOTES } from './words.ts';

const thousands = (n: number): string => n.toLocaleString('en-US');
const spaced = (hex: string): string => hex.match(/../g)?.join(' ') ?? '';
const row = (...cells: readonly unknown[]): string =>
  `| ${cells.map(cell => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
const table = (head: readonly string[], rows: readonly string[]): string =>
  [row(...head), `|${'---|'.repeat(head.length)}`, ...rows].join('\n');

/** `[1, 7, …]` above its bytes. */
const shown = (mark: string, bytes: Uint8Array): string =>
  `${mark}${notation(plainOf(bytes))}\n  ${spaced(toHex(bytes))}`;

const wireType = (type: FieldType): string => {
  switch (type.t) {
    case 'bool':
      return 'true or false';
    case 'int': {
      if (type.max === Number.MAX_SAFE_INTEGER)
        return type.min === 0 ? 'whole number, 64 bits' : 'signed whole number, 64 bits';
      return `whole number, ${thousands(type.min)} to ${thousands(type.max)}`;
    }
    case 'str':
      return `text, at most ${thousands(type.max)} bytes`;
    case 'id':
      return 'id';
    case 'enum':
      return type.values.map((value, index) => `${index} ${value}`).join(', ');
    case 'list':
      return `array of at most ${type.max} arrays \`[${type.of.map(field => field.name).join(', ')}]\``;
  }
};

const fieldRows = (fields: readonly Field[], prefix = ''): string[] =>
  fields.flatMap(({ name, type, optional, doc }, i) => [
    row(`${prefix}${i}`, `\`${name}\``, `${wireType(type)}${optional ? ', or nil' : ''}`, doc),
    ...(type.t === 'list' ? fieldRows(type.of, `${prefix}${i}.`) : []),
  ]);
const fieldTable = (what: string, fields: readonly Field[]): string =>
  fields.length === 0
    ? `${what}: \`[]\`.`
    : `${what}: \`[${fields.map(field => field.name).join(', ')}]\`\n\n${table(['', 'name', 'on the wire', 'meaning'], fieldRows(fields))}`;

const block = (...lines: readonly string[]): string => `\`\`\`\n${lines.join('\n')}\n\`\`\``;

const SCOPES: Readonly<Record<Command['scope'], string>> = {
  session: 'everybody',
  meet: 'civilians and officers',
  officer: 'officers',
  civilian: 'civilians',
  spend: 'who may let points go: civilians, officers, families, charities',
};

const described = (name: CommandName | EventName, doc: string): string =>
  NOTES[name] === undefined ? doc : `${doc} ${NOTES[name]}`;

const commands = (): string => {
  const entries = Object.entries(COMMANDS as Readonly<Record<CommandName, Command>>) as [
    CommandName,
    Command,
  ][];
  const overview = table(
    ['op', 'name', 'who', 'key', 'body', 'result'],
    entries.map(([name, { code, scope, mutates, body, result }]) => {
      const names = (fields: readonly Field[]): string =>
        `\`[${fields.map(field => field.name).join(', ')}]\``;
      return row(
        code,
        `\`${name}\``,
        SCOPES[scope],
        mutates ? 'required' : 'nil',
        names(body),
        names(result),
      );
    }),
  );
  const each = entries.map(([name, command]) =>
    [
      `#### ${command.code} \`${name}\``,
      described(name, command.doc),
      fieldTable('Body', command.body),
      fieldTable('Result', command.result),
      block(shown('> ', goldenCommand(name).bytes), shown('< ', goldenReply(name).bytes)),
    ].join('\n\n'),
  );
  return ['### The commands', overview, ...each].join('\n\n');
};

const events = (): string => {
  const entries = Object.entries(EVENTS as Readonly<Record<EventName, Event>>) as [EventName, Event][];
  const overview = table(
    ['kind', 'name', 'frame', 'body'],
    entries.map(([name, { code, durable, body }]) =>
      row(
        code,
        `\`${name}\``,
        durable ? 'EVENT' : 'VOLATILE',
        `\`[${body.map(field => field.name).join(', ')}]\``,
      ),
    ),
  );
  const each = entries.map(([name, event]) =>
    [
      `#### ${event.code} \`${name}\``,
      described(name, event.doc),
      fieldTable('Body', event.body),
      block(shown('< ', goldenEvent(name).bytes)),
    ].join('\n\n'),
  );
  return ['### The events', overview, ...each].join('\n\n');
};

const errors = (): string =>
  table(
    ['code', 'name', 'retryable', 'meaning', 'do'],
    Object.entries(ERROR).map(([name, code]) => {
      const { meaning, action } = ERROR_WORDS[name as keyof typeof ERROR];
      return row(code, name, refuse(code as ErrorCode, '').retryable ? 'true' : 'false', meaning, action);
    }),
  );

const closes = (): string =>
  table(
    ['code', 'name', 'said by', 'meaning', 'do'],
    Object.entries(CLOSE).map(([name, code]) => {
      const { by, meaning, action } = CLOSE_WORDS[name as keyof typeof CLOSE];
      return row(code, name, by, meaning, action);
    }),
  );

const FRAME_EXAMPLES: readonly (readonly [Golden['from'], string])[] = [
  ['client', 'HELLO'],
  ['client', 'HELLO that resumes'],
  ['server', 'WELCOME'],
  ['client', 'LOCATION'],
  ['client', 'LOCATION with nothing optional'],
  ['client', 'ACK'],
  ['client', 'PING'],
  ['server', 'PONG'],
  ['client', 'CLIENT STATE'],
  ['client', 'BATCH'],
  ['server', 'ERROR'],
  ['server', 'GOAWAY'],
  ['server', 'TOKEN EXPIRING'],
];

const frameExamples = (): string =>
  block(
    ...FRAME_EXAMPLES.map(([from, name]) => {
      const mark = from === 'client' ? '> ' : '< ';
      return `${name}\n${shown(mark, goldenNamed(from, name).bytes)}`;
    }),
  );

/** The bytes of the LOCATION example with a word for each item. */
const dissected = (): string => {
  const bytes = goldenNamed('client', 'LOCATION').bytes;
  const words = [
    'array of 9',
    'LOCATION',
    'seq 42',
    'latitude 40.7127753',
    'longitude -74.0059728',
    'accuracy 8.0 m',
    'heading 271',
    'speed 1.4 m/s',
    'Unix second of the fix',
    'and its milliseconds',
  ];
  const widths = new Map([
    [0xcc, 2],
    [0xcd, 3],
    [0xce, 5],
    [0xd2, 5],
  ]);
  let at = 0;
  return words
    .map(word => {
      const width = widths.get(bytes[at]!) ?? 1;
      at += width;
      return `${spaced(toHex(bytes.subarray(at - width, at))).padEnd(16)}${word}`;
    })
    .join('\n');
};

const transcript = (): string =>
  block(
    ...TRANSCRIPT.map(({ from, note, bytes }) => `${note}\n${shown(from === 'client' ? '> ' : '< ', bytes)}`),
  );

/** The page: every `{{name}}` of the template replaced. Throws when the template asks for what there is not. */
export const page = (template: string): string => {
  const parts: Readonly<Record<string, string | number>> = {
    version: PROTOCOL_VERSION,
    subprotocol: SUBPROTOCOL,
    kinds: ACCOUNT_KINDS.map(kind => `\`${kind}\``).join(', '),
    'kind.report': EVENTS['report.next'].code,
    'limit.inBytes': thousands(INBOUND.bytes),
    'limit.outBytes': thousands(OUTBOUND.bytes),
    'limit.items': INBOUND.items,
    'limit.text': thousands(INBOUND.textBytes),
    'limit.bin': thousands(INBOUND.binBytes),
    'limit.depth': INBOUND.depth,
    'limit.batch': BATCH_FRAMES_MAX,
    'limit.app': APP_BYTES_MAX,
    'limit.deviceId': DEVICE_ID_BYTES_MAX,
    'limit.helloS': HELLO_TIMEOUT_MS / 1000,
    'limit.accuracy': thousands(ACCURACY_DM_MAX),
    frameExamples: frameExamples(),
    dissected: dissected(),
    commands: commands(),
    events: events(),
    errors: errors(),
    closes: closes(),
    transcript: transcript(),
  };
  return template.replaceAll(/\{\{([\w.]+)\}\}/g, (_, name: string) => {
    const part = parts[name];
    if (part === undefined) throw new RangeError(`the template asks for ${name}`);
    return String(part);
  });
};
