import { readdirSync, readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';
import * as msgpack from '@msgpack/msgpack';
import { Ajv } from 'ajv';
import * as notepack from 'notepack.io';
import { describe, expect, it } from 'vitest';
import { reportPeriodS } from '../../actors/geo/period.ts';
import { ACTOR_LIMITS } from '../../actors/limits.ts';
import type { UserRecord } from '../../actors/queries.ts';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import { newUserState } from '../../actors/user/hydrated.ts';
import type { Outbox } from '../../actors/user/outbox.ts';
import { LIMITS, RATES } from '../../gateway/limits.ts';
import { ANSWER_LIMITS } from '../../nodes/limits.ts';
import { COMMANDS, EVENTS } from '../catalogue.ts';
import { type CodeBook, mintFrom, proveScan } from '../codeBook.ts';
import { decodeClientFrame, decodeServerFrame } from '../codec.ts';
import { CLOSE, ERROR } from '../errors.ts';
import { FRAME } from '../frames.ts';
import { stale, violations } from '../generate.ts';
import { openEvent } from '../messages.ts';
import { isProven, verifyToken } from '../qr.ts';
import { shardOf } from '../shard.ts';
import { DecodeError } from '../walker.ts';
import { broken, grown, type History, present } from './history.ts';
import { page } from './page.ts';
import { type Plain, toHex } from './plain.ts';
import { TRANSCRIPT } from './transcript.ts';

const file = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));

interface Vectors {
  readonly frames: readonly {
    readonly name: string;
    readonly from: 'client' | 'server';
    readonly hex: string;
    readonly tuple: Plain;
    readonly body: object | null;
  }[];
  readonly refused: readonly { readonly what: string; readonly hex: string; readonly why: string }[];
  readonly tokens: {
    readonly master: string;
    readonly examples: readonly {
      readonly text: string;
      readonly kind: 'officer';
      readonly kid: number;
      readonly nowMs: number;
      readonly userNumber: number;
      readonly tokenId: string;
    }[];
    readonly offline: readonly {
      readonly book: CodeBook;
      readonly nowMs: number;
      readonly nonce: number;
      readonly flags: number;
      readonly text: string;
      readonly scannedAtS: number;
      readonly proof: string;
    }[];
  };
  readonly shards: readonly { readonly kind: string; readonly id: string; readonly shard: number }[];
}
const vectors = JSON.parse(file('generated/vectors.json')) as Vectors;

/** What another library read, in the JSON of the vectors. */
const plain = (value: unknown): Plain => {
  if (value instanceof Uint8Array) return { bin: toHex(value) };
  return Array.isArray(value) ? value.map(plain) : (value as Plain);
};
/** And back, for another library to write. */
const unplain = (value: Plain): unknown => {
  if (value === null || typeof value !== 'object') return value;
  return 'bin' in value ? bytesOf(value.bin) : value.map(unplain);
};

interface AsyncApi {
  readonly info: {
    readonly 'x-error-codes': readonly { readonly code: number }[];
    readonly 'x-close-codes': readonly { readonly code: number }[];
  };
  readonly components: {
    readonly messages: Readonly<
      Record<
        string,
        {
          readonly payload: {
            readonly items: readonly { readonly const?: number }[];
            readonly minItems: number;
          };
        }
      >
    >;
  };
}
const ajv = new Ajv({ strict: false, formats: { binary: true } });

/** The document has no word for bytes: they are texts of as many characters there. */
const texted = (value: Plain): unknown => {
  if (value === null || typeof value !== 'object') return value;
  return 'bin' in value ? Buffer.from(value.bin, 'hex').toString('latin1') : value.map(texted);
};

/** The message that a golden vector is an example of. */
const messageOf = (name: string, from: 'client' | 'server', hasBody: boolean): string => {
  if (name.startsWith('reply to ')) return `reply.${name.slice('reply to '.length)}`;
  const plainName = name.replace(/ (that|with) .*$/, '');
  if (hasBody || plainName !== plainName.toUpperCase())
    return `${from === 'client' ? 'command' : 'event'}.${plainName}`;
  return plainName.toLowerCase().replace(/ (.)/g, (_, letter: string) => letter.toUpperCase());
};

describe('generated files', () => {
  it('are what the catalogue says: else run `npm run generate`', () => {
    expect(violations()).toEqual([]);
    expect(stale()).toEqual([]);
  });

  it('leave no hole in the page, and name every number on it', () => {
    const text = file('PROTOCOL.md');
    expect(text).not.toMatch(/\{\{|undefined/);
    for (const [name, { code }] of [...Object.entries(COMMANDS), ...Object.entries(EVENTS)]) {
      expect(text).toContain(`#### ${code} \`${name}\``);
    }
    for (const code of [...Object.values(ERROR), ...Object.values(CLOSE)])
      expect(text).toContain(`| ${code} |`);
    expect(() => page('{{nothing}}')).toThrow('the template asks for nothing');
  });

  it('say on the page what the doors and the actors do', () => {
    const text = file('PROTOCOL.md');
    const { location, command, auth, qr, other } = RATES.session;
    const minute = auth.perS * 60;
    expect(text).toContain(`${command.perS} commands a second, ${qr.perS} a second of \`qr.show\``);
    expect(text).toContain(
      `${minute} a minute of \`auth.refresh\`, ${location.perS} positions a second, ${other.perS} other`,
    );
    expect(text).toContain(`from the future by more than ${ACTOR_LIMITS.fixFutureMs / 1000} s`);
    expect(text).toContain(`older than ${ACTOR_LIMITS.fixAgeMs / 1000} s`);
    expect(text).toContain(`After ${LIMITS.idleTimeoutS} s without one the server cuts`);
    expect(text).toContain(`at ${LIMITS.tokenWarnShare * 100} % of the token's life`);
    expect(text).toContain(`4101, ${LIMITS.tokenGraceMs / 1000} s after the token ended`);
    expect(text).toContain(`\`limit\` 1 to ${LIMITS.pageMax}`);
    expect(text).toContain(`may sign in on ${LIMITS.devicesLinkedMax + 1} devices`);
    const n = (value: number): string => value.toLocaleString('en-US');
    expect(text).toContain(`at most ${LIMITS.attachTotalMs / 1000} s (1013)`);
    expect(text).toContain(
      `at most \`ping_s\` (${LIMITS.pingS} s); the server cuts after ${LIMITS.idleTimeoutS} s`,
    );
    expect(text).toContain(`the server answers within ${LIMITS.commandMs / 1000} s (504`);
    expect(text).toContain(`${LIMITS.ageMs / 60_000} min, give or take a fifth`);
    expect(LIMITS.ageSpread).toBe(1 / 5);
    expect(text).toContain(
      `every ${LIMITS.flushMs} ms, in the background every ${LIMITS.backgroundFlushMs / 1000} s`,
    );
    const { ringEvents, ringMs, ringBytes, commands } = ACTOR_LIMITS;
    expect(text).toContain(`the newest ${ringEvents}, for ${ringMs / 60_000} min, ${n(ringBytes)} bytes`);
    const effects = `24 h, each person's last ${n(ANSWER_LIMITS.keep)}`;
    expect(text).toContain(`| of what had an effect: ${effects}; of refusals: among the last ${commands} |`);
    expect(text).toContain(`| ${n(LIMITS.closeBufferBytes)} bytes or ${LIMITS.eventsBehind} events: 4102 |`);
    const bursts = `commands ${command.perS}/s (${command.burst}), \`qr.*\` ${qr.perS}/s (${qr.burst}), \`auth.refresh\` ${minute}/min (${auth.burst})`;
    expect(text).toContain(
      `${bursts}, positions ${location.perS}/s (${location.burst}), other frames ${other.perS}/s (${other.burst})`,
    );
    const { heyS, heyFixAgeS, heyReachM, shareS, points } = DEFAULT_RULES;
    expect(text).toContain(`It waits ${heyS} s. Your newest position must not be older than ${heyFixAgeS} s`);
    expect(text).toContain(`both at most ${heyFixAgeS} s old, at most ${heyReachM} m plus both accuracies`);
    expect(text).toContain(`from \`location.share\` on, for ${shareS / 60} minutes`);
    for (const { officer, civilian } of Object.values(points)) expect(officer).toBe(civilian);
    expect(points.hey).toEqual(points.proximity);
    expect(text).toContain(`bring ${points.hey.civilian} to each side, a scan ${points.qr.civilian}`);
    const alone = reportPeriodS('civilian', false, false);
    const area = reportPeriodS('civilian', false, true);
    const instant = reportPeriodS('civilian', true, true);
    expect(text).toContain(
      `${alone} for a civilian alone, ${area} with an officer in the area, ${instant} then`,
    );
    expect(text).toContain(`${reportPeriodS('officer', false, false)} for an officer.`);
    for (const folder of ['accounts.ts', 'codes.ts', 'people.ts', 'signOut.ts']) {
      for (const [, path] of file(`../gateway/rest/${folder}`).matchAll(/'(\/v1\/[\w/:]+)'/g)) {
        expect(text).toContain(path!.replace(':id', '{id}'));
      }
    }
  });

  it('say who says which close code, and both sides do', () => {
    const sources = (folder: string, without: RegExp): string =>
      readdirSync(new URL(`../../${folder}/`, import.meta.url), { recursive: true, encoding: 'utf8' })
        .filter(name => name.endsWith('.ts') && !/\.test\.ts$|testing\//.test(name) && !without.test(name))
        .map(name => file(`../${folder}/${name}`))
        .join('\n');
    const named = (text: string, pattern: RegExp): Set<string> =>
      new Set([...text.matchAll(pattern)].map(([, name]) => name!));
    // what is compared with is heard, not said
    const told = (text: string): string => text.replaceAll(/^.*(===|!==|new Set).*$/gm, '');
    const server = told(
      sources('gateway', /client\/|conformance\/|rfc6455\//) +
        sources('actors', /^$/) +
        sources('nodes', /simulation\//),
    );
    const client = sources('gateway/client', /^$/);
    const byServer = named(server, /CLOSE\.(\w+)/g);
    const byClient = named(client, /(?:close|drop|abandon|retire)\(CLOSE\.(\w+)/g);
    // an app that is closed says goodbye by the library's own code
    byClient.add('goingAway');
    for (const [name, code] of Object.entries(CLOSE)) {
      const [server, client] = [byServer.has(name), byClient.has(name)];
      const by = server && client ? 'both' : server ? 'server' : client ? 'client' : 'nobody';
      expect(file('PROTOCOL.md'), name).toContain(`| ${code} | ${name} | ${by} |`);
    }
  });

  it('say which reasons a GOAWAY has, and with which codes it ends', () => {
    const reasons = file('../gateway/away.ts').match(/const REASONS = \{([^}]*)\}/)![1]!;
    const named = [...reasons.matchAll(/(\w+): CLOSE\.(\w+)/g)];
    expect(named.length).toBeGreaterThan(1);
    const text = file('PROTOCOL.md');
    const goaway = text.slice(text.indexOf('**GOAWAY**'), text.indexOf('**Reconnect**'));
    for (const [, reason, code] of named) {
      expect(goaway).toContain(`\`${reason}\``);
      expect(goaway).toContain(String(CLOSE[code as keyof typeof CLOSE]));
    }
  });

  it('say which answers a handshake may get', () => {
    const section = file('PROTOCOL.md').split('## 2. Connect')[1]!.split('## 3. ')[0]!;
    const transport = file('../gateway/uws.ts').match(/const STATUS = \{([^}]*)\}/)![1]!;
    const said = [...section.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap(([, codes]) => codes!.split(', '));
    // 404 is the answer of every other path
    const given = [...transport.matchAll(/^ {2}(\d+):/gm)].map(([, code]) => code!);
    expect(said).toEqual(given.filter(code => code !== '404'));
  });

  it('show a conversation that both sides can read', () => {
    for (const { from, bytes } of TRANSCRIPT) {
      const frame = from === 'client' ? decodeClientFrame(bytes) : decodeServerFrame(bytes);
      expect(frame.type).toBeTypeOf('string');
    }
  });

  it('show in it what a new civilian hears: he shares, and nobody is known yet', () => {
    const heard = TRANSCRIPT.filter(({ from }) => from === 'server').map(({ bytes }) =>
      decodeServerFrame(bytes),
    );
    const record = {
      kind: 'civilian',
      encounterCount: 0,
      encounters: [],
      commands: [],
      timers: [],
    } as unknown as UserRecord;
    const state = newUserState(record, {} as Outbox);
    const snapshot = heard.find(frame => frame.type === 'event');
    const opened = snapshot?.type === 'event' ? openEvent(snapshot) : null;
    const { mode, instant, encounterCount } = state;
    expect(opened).toMatchObject({
      name: 'snapshot',
      body: { sharing: true, mode, instant, encounterCount },
    });
    const periods = heard.flatMap(frame =>
      frame.type === 'volatile' && frame.kind === EVENTS['report.next'].code ? [frame.body] : [],
    );
    expect(periods).toEqual([[reportPeriodS('civilian', false, false)]]);
  });

  it('include an AsyncAPI 3 document that its own parser accepts', async () => {
    const { document, diagnostics } = await new Parser().parse(file('generated/asyncapi.json'));
    const errors = diagnostics.filter(({ severity }) => severity === 0);
    expect(errors.map(({ message, path }) => `${path.join('.')}: ${message}`)).toEqual([]);
    const names = document!
      .messages()
      .all()
      .map(message => message.name());
    for (const name of Object.keys(COMMANDS))
      expect(names).toEqual(expect.arrayContaining([`command.${name}`, `reply.${name}`]));
    for (const name of Object.keys(EVENTS)) expect(names).toContain(`event.${name}`);
    const { components } = JSON.parse(file('generated/asyncapi.json')) as AsyncApi;
    const spoken = Object.values(components.messages).map(({ payload }) => payload.items[0]!.const);
    expect(new Set(spoken)).toEqual(new Set(Object.values(FRAME)));
  }, 60_000);

  it.each(vectors.frames)(
    '$from $name is what the AsyncAPI document says of it',
    ({ name, from, tuple, body }) => {
      const document = JSON.parse(file('generated/asyncapi.json')) as AsyncApi;
      const schema = document.components.messages[messageOf(name, from, body !== null)]!.payload;
      expect(ajv.validate(schema, texted(tuple)), ajv.errorsText()).toBe(true);
      // and of nothing else: a tuple that lost its last item, or whose number is another one, does not fit
      const items = tuple as readonly Plain[];
      expect(ajv.validate(schema, texted([(items[0] as number) + 50, ...items.slice(1)]))).toBe(false);
      expect(ajv.validate(schema, texted(items.slice(0, schema.minItems - 1)))).toBe(false);
    },
  );

  it('with every code of errors and closes, and what to do about it', () => {
    const { info } = JSON.parse(file('generated/asyncapi.json')) as AsyncApi;
    expect(info['x-error-codes'].map(({ code }) => code)).toEqual(Object.values(ERROR));
    expect(info['x-close-codes'].map(({ code }) => code)).toEqual(Object.values(CLOSE));
  });
});

describe('golden vectors', () => {
  it.each(vectors.frames)('$from $name: two other libraries read what we wrote', ({ hex, tuple }) => {
    expect(plain(msgpack.decode(bytesOf(hex)))).toEqual(tuple);
    expect(plain(notepack.decode(Buffer.from(hex, 'hex')))).toEqual(tuple);
  });

  it.each(vectors.frames)('$from $name: we read what two other libraries write', ({ from, hex, tuple }) => {
    const read: (bytes: Uint8Array) => unknown = from === 'client' ? decodeClientFrame : decodeServerFrame;
    const ours = read(bytesOf(hex));
    expect(read(msgpack.encode(unplain(tuple)))).toEqual(ours);
    expect(read(new Uint8Array(notepack.encode(unplain(tuple))))).toEqual(ours);
  });

  it.each(vectors.refused)('refused: $what', ({ hex, why }) => {
    const decode = () => decodeClientFrame(bytesOf(hex));
    expect(decode).toThrow(DecodeError);
    expect(decode).toThrow(why);
  });

  it('of tokens and shards hold', () => {
    const master = bytesOf(vectors.tokens.master);
    for (const { text, kind, kid, nowMs, userNumber, tokenId } of vectors.tokens.examples) {
      const verified = verifyToken(text, { nowMs, masters: new Map([[kid, master]]), kinds: [kind] });
      expect(verified).toMatchObject({ ok: true, value: { userNumber, tokenId } });
    }
    const masters = new Map([[1, master]]);
    for (const { book, nowMs, nonce, flags, text, scannedAtS, proof } of vectors.tokens.offline) {
      expect(mintFrom(book, { nowMs, nonce, flags })).toMatchObject({ value: { token: text } });
      expect(proveScan(book, text, scannedAtS)).toBe(proof);
      const verified = verifyToken(text, { nowMs, masters, kinds: [book.kind] });
      expect(verified.ok && isProven({ token: text, scannedAtS, proof }, verified.value, masters)).toBe(true);
    }
    for (const { kind, id, shard } of vectors.shards) expect(shardOf(kind, id)).toBe(shard);
  });
});

describe('the history', () => {
  const was: History = {
    frames: { 1: 'command' },
    commands: {
      20: { name: 'hey.say', arity: 2, body: ['officerId:id', 'why:enum(a,b)'], result: ['heyId:id'] },
    },
    events: { 2: { name: 'hey.received', arity: 1, body: ['list:list[a:id b:str]'], durable: true } },
  };
  const command = was.commands[20]!;
  const event = was.events[2]!;
  const withCommand = (change: object): History => ({ ...was, commands: { 20: { ...command, ...change } } });
  const withEvent = (change: object): History => ({ ...was, events: { 2: { ...event, ...change } } });

  it('lets tuples, closed sets and lists grow at their ends, and numbers retire', () => {
    expect(broken(was, was)).toEqual([]);
    expect(broken(was, withCommand({ body: [...command.body, 'note?:str'] }))).toEqual([]);
    expect(broken(was, withCommand({ body: ['officerId:id', 'why:enum(a,b,c)'] }))).toEqual([]);
    expect(broken(was, withEvent({ body: ['list:list[a:id b:str c:int]'] }))).toEqual([]);
    const retired = { ...was, commands: {} };
    expect(broken(was, retired)).toEqual([]);
    expect(grown(was, retired).commands[20]).toEqual(command);
  });

  it.each([
    [
      'a number reused',
      withCommand({ name: 'hey.shout' }),
      'command 20 hey.say: the number was reused for hey.shout',
    ],
    [
      'a position removed',
      withCommand({ body: ['officerId:id'] }),
      'command 20 hey.say: position 1 (why:enum(a,b)) was removed',
    ],
    [
      'a position retyped',
      withCommand({ result: ['heyId:str'] }),
      'command 20 hey.say result: position 0 was heyId:id and is heyId:str',
    ],
    [
      'a position renamed',
      withEvent({ body: ['items:list[a:id b:str]'] }),
      'event 2 hey.received: position 0 was list:list[a:id b:str] and is items:list[a:id b:str]',
    ],
    [
      'a choice reordered',
      withCommand({ body: ['officerId:id', 'why:enum(b,a)'] }),
      'command 20 hey.say: position 1 was why:enum(a,b) and is why:enum(b,a)',
    ],
    [
      'a list item removed',
      withEvent({ body: ['list:list[a:id]'] }),
      'event 2 hey.received: position 0 was list:list[a:id b:str] and is list:list[a:id]',
    ],
    [
      'an event that is not replayed any more',
      withEvent({ durable: false }),
      'event 2 hey.received: durable became false',
    ],
    [
      'a frame number reused',
      { ...was, frames: { 1: 'event' } },
      'frame 1 command: the number was reused for event',
    ],
  ])('refuses %s', (_, now, sentence) => {
    expect(broken(was, now)).toEqual([sentence]);
  });

  it('holds everything that the catalogue says today', () => {
    const history = JSON.parse(file('generated/history.json')) as History;
    expect(history).toMatchObject(present());
  });
});
