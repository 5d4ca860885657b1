/**
 * A script: one story that the server tells a client, step by step, and what the client's app must have seen at its end.
 * The files in `scripts/` are JSON; `README.md` explains every word for those who write their own.
 */
import { readFileSync } from 'node:fs';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

export interface Saying {
  readonly say: string;
  readonly on?: number;
  readonly with?: JsonObject;
  readonly body?: JsonObject | readonly Json[] | null;
  readonly offset?: number;
  readonly kind?: number;
  readonly key?: string;
  readonly version?: number;
  readonly to?: string;
  readonly frames?: readonly Saying[];
  readonly hex?: string;
  readonly tuple?: readonly Json[];
  readonly text?: string;
  readonly pieces?: number;
  readonly fragments?: number;
  /** The same again, so many times, offsets rising. */
  readonly times?: number;
}

export interface Hearing {
  readonly hear: string;
  readonly on?: number;
  readonly where?: JsonObject;
  /** Names the command that was heard. */
  readonly as?: string;
  /** It must be that command again: same key, same body. */
  readonly same?: string;
  /** HELLO: the token was never sent before. */
  readonly fresh?: boolean;
  readonly within?: number;
  /** Not sooner than so long after the step before. */
  readonly after?: number;
}

export type Step =
  | Saying
  | Hearing
  | { readonly close: number; readonly reason?: string; readonly on?: number }
  | { readonly cut: 'fin' | 'reset' | 'dead'; readonly on?: number }
  | {
      readonly gone: number;
      readonly within?: number;
      readonly codes?: readonly number[];
      readonly not?: readonly number[];
    }
  | { readonly alive: number }
  | { readonly silence: string; readonly for: number; readonly on?: number }
  | { readonly next: 'bytewise' | 'stall' | 'upgrade' | 'refuse' }
  | { readonly next: 'http'; readonly status: number; readonly retryAfterS?: number }
  | { readonly do: JsonObject }
  | { readonly app: JsonObject; readonly within?: number }
  | { readonly wait: number }
  | { readonly restart: true };

export interface Script {
  readonly name: string;
  /** What happens in the world, one sentence. */
  readonly about: string;
  /** What a client has to do about it, one sentence. */
  readonly demands: string;
  readonly steps: readonly Step[];
  /** Durable events that the app must have seen, exactly and in this order: `sharing.ended 3`. */
  readonly seen?: readonly string[];
  /** Volatile frames likewise: `report.next 5`, `area.officers r1 7`, `area.officers r1 gone`. */
  readonly volatile?: readonly string[];
  /** The answers that the app must have got, each once: `{"a": {"ok": true}}`. */
  readonly answers?: { readonly [as: string]: JsonObject };
  /** The state of the client at the end. Default `connected`. */
  readonly ends?: string;
}

/** Words of each kind of step; the first names it. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  say: [
    'on',
    'with',
    'body',
    'offset',
    'kind',
    'key',
    'version',
    'to',
    'frames',
    'hex',
    'tuple',
    'text',
    'pieces',
    'fragments',
    'times',
  ],
  hear: ['on', 'where', 'as', 'same', 'fresh', 'within', 'after'],
  close: ['reason', 'on'],
  cut: ['on'],
  gone: ['within', 'codes', 'not'],
  alive: [],
  silence: ['for', 'on'],
  next: ['status', 'retryAfterS'],
  do: [],
  app: ['within'],
  wait: [],
  restart: [],
};
const SCRIPT_WORDS = ['about', 'demands', 'steps', 'seen', 'volatile', 'answers', 'ends'];

/** A mistake in a script, with the place of it. */
export class ScriptError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ScriptError';
  }
}

const isObject = (value: unknown): value is Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const checkStep = (step: unknown, where: string): Step => {
  if (!isObject(step)) throw new ScriptError(`${where}: a step is an object`);
  const verbs = Object.keys(step).filter(word => Object.hasOwn(WORDS, word));
  if (verbs.length !== 1)
    throw new ScriptError(`${where}: a step has exactly one of ${Object.keys(WORDS).join(', ')}`);
  const [verb] = verbs as [string];
  for (const word of Object.keys(step)) {
    if (word !== verb && !WORDS[verb]!.includes(word))
      throw new ScriptError(`${where}: "${verb}" knows no "${word}"`);
  }
  return step as unknown as Step;
};

/** Checks the text of a script. Throws a {@link ScriptError} that names the place. */
export const parseScript = (name: string, text: string): Script => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ScriptError(`${name}: ${(error as Error).message}`);
  }
  if (!isObject(value)) throw new ScriptError(`${name}: a script is an object`);
  for (const word of Object.keys(value)) {
    if (!SCRIPT_WORDS.includes(word)) throw new ScriptError(`${name}: a script knows no "${word}"`);
  }
  const { about, demands, steps } = value;
  if (typeof about !== 'string' || typeof demands !== 'string')
    throw new ScriptError(`${name}: "about" and "demands" are sentences`);
  if (!Array.isArray(steps) || steps.length === 0) throw new ScriptError(`${name}: there are no "steps"`);
  const checked = steps.map((step, nth) => checkStep(step, `${name}, step ${nth + 1}`));
  return { ...(value as unknown as Script), name, steps: checked };
};

/** Reads one file; its name without `.json` is the name of the script. */
export const readScript = (path: string): Script =>
  parseScript(path.replace(/^.*\//, '').replace(/\.json$/, ''), readFileSync(path, 'utf8'));
