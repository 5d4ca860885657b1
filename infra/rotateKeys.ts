/**
 * `npm run keys -- list|add|remove KID|add-token|remove-token KID|add-hub|remove-hub KID`: how an operator changes the keys of
 * codes and of access tokens without anybody noticing. Nodes look at the file every few seconds (`liveKeys.ts`).
 *
 *   1. `add`: a new key, which begins to make codes in an hour (or `--in HOURS`). Give the file to every node within that time:
 *      from then on all know it, and at its moment all of them mint with it.
 *   2. `remove KID` of the old one, nine days later at the earliest: phones have its handles for a week ahead, and upload
 *      scans of a day ago. Sooner means that codes on screens are refused; `--force` does it all the same (a key that leaked).
 *
 * Keys of access tokens: `add-token` in the same way; `remove-token KID` a day later at the earliest, when no token of it is
 * alive, or with `--force`: its tokens are refused at once, and phones sign in again.
 *
 * Keys of hub posters: `add-hub` signs the next posters; `remove-hub KID` when the last poster of the old key is gone.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  freshEd25519,
  freshQrKey,
  freshTokenKid,
  inSigningOrder,
  keyFileOf,
  parseKeys,
  qrKidAt,
  replaceKeys,
  type StoredKeys,
} from './keys.ts';

const HOUR_MS = 3_600_000;
/** Codes of a book made just before the successor began: a week ahead, a day for uploads, a day for clocks. */
export const KEEP_MS = 9 * 24 * HOUR_MS;
const KIDS = 256;

const HELP = `npm run keys -- COMMAND [options]

Changes the keys of QR codes and access tokens. Nodes read the file again within seconds.

  list             the keys, and which one makes codes
  add              a new key, which makes codes in an hour
  remove KID       an old one, nine days after its successor began
  add-token        a new key, which signs access tokens in an hour
  remove-token KID an old one, a day after its successor began
  add-hub          a new key, which signs the next hub posters
  remove-hub KID   an old one, when its last poster is gone

  --data DIR       the folder of the town (HEYBLUE_DATA_DIR, else .data)
  --in HOURS       when a new key begins to make codes or to sign (1)
  --force          remove a key that leaked: what was made with it is refused`;

type Outcome =
  | { readonly ok: true; readonly stored: StoredKeys; readonly said: string }
  | { readonly ok: false; readonly said: string };

const no = (said: string): Outcome => ({ ok: false, said });

const fromOf = ({ qr }: StoredKeys): Map<number, number> =>
  new Map(qr.map(({ kid, fromMs = 0 }) => [kid, fromMs]));

/** The next number after the last one that is free; a token has one byte for it. */
const freeKid = (keys: readonly { readonly kid: number }[]): number | null => {
  const last = keys.at(-1)?.kid ?? 0;
  for (let step = 1; step <= KIDS; step++) {
    const kid = (last + step) % KIDS;
    if (!keys.some(key => key.kid === kid)) return kid;
  }
  return null;
};

export const addKey = (stored: StoredKeys, nowMs: number, inMs = HOUR_MS): Outcome => {
  const kid = freeKid(stored.qr);
  if (kid === null) return no('every key number is in use: remove one first');
  const fromMs = nowMs + inMs;
  const qr = [...stored.qr, { kid, key: freshQrKey(), fromMs }];
  return {
    ok: true,
    stored: { ...stored, qr },
    said: `key ${kid} makes codes from ${new Date(fromMs).toISOString()}: every node must have it by then`,
  };
};

export const removeKey = (stored: StoredKeys, kid: number, nowMs: number, force = false): Outcome => {
  if (!stored.qr.some(key => key.kid === kid)) return no(`there is no key ${kid}`);
  if (qrKidAt(fromOf(stored), nowMs) === kid)
    return no(`key ${kid} makes the codes of today: add another first`);
  const from = fromOf(stored).get(kid)!;
  const successors = [...fromOf(stored).values()].filter(other => other > from && other <= nowMs);
  const freeMs = from > nowMs ? nowMs : Math.min(...successors) + KEEP_MS;
  if (freeMs > nowMs && !force)
    return no(
      `phones may show codes of key ${kid} until ${new Date(freeMs).toISOString()}; --force if it leaked`,
    );
  const qr = stored.qr.filter(key => key.kid !== kid);
  return { ok: true, stored: { ...stored, qr }, said: `key ${kid} is gone: its codes are refused` };
};

/** Tokens live a day at most. */
const TOKEN_KEEP_MS = 24 * HOUR_MS;

const signerAt = (stored: StoredKeys, nowMs: number): string =>
  inSigningOrder(parseKeys(JSON.stringify(stored)), nowMs)[0]!.kid;

export const addTokenKey = (stored: StoredKeys, nowMs: number, inMs = HOUR_MS): Outcome => {
  const kid = freshTokenKid();
  const fromMs = nowMs + inMs;
  return {
    ok: true,
    stored: { ...stored, jwt: [...stored.jwt, { kid, pkcs8: freshEd25519(), fromMs }] },
    said: `token key ${kid} signs from ${new Date(fromMs).toISOString()}: every node must have it by then`,
  };
};

export const removeTokenKey = (stored: StoredKeys, kid: string, nowMs: number, force = false): Outcome => {
  const old = stored.jwt.find(key => key.kid === kid);
  if (old === undefined) return no(`there is no token key ${kid}`);
  if (signerAt(stored, nowMs) === kid)
    return no(`token key ${kid} signs the tokens of today: add another first`);
  const { fromMs: from = 0 } = old;
  const successors = stored.jwt.map(key => key.fromMs ?? 0).filter(other => other > from && other <= nowMs);
  const freeMs = from > nowMs ? nowMs : Math.min(...successors) + TOKEN_KEEP_MS;
  if (freeMs > nowMs && !force)
    return no(`tokens of key ${kid} may live until ${new Date(freeMs).toISOString()}; --force if it leaked`);
  const jwt = stored.jwt.filter(key => key.kid !== kid);
  return { ok: true, stored: { ...stored, jwt }, said: `token key ${kid} is gone: its tokens are refused` };
};

export const addHubKey = (stored: StoredKeys): Outcome => {
  const hub = stored.hub ?? [];
  const kid = freeKid(hub);
  if (kid === null) return no('every key number is in use: remove one first');
  return {
    ok: true,
    stored: { ...stored, hub: [...hub, { kid, pkcs8: freshEd25519() }] },
    said: `hub key ${kid} signs the next posters`,
  };
};

export const removeHubKey = (stored: StoredKeys, kid: number): Outcome => {
  const hub = stored.hub ?? [];
  if (!hub.some(key => key.kid === kid)) return no(`there is no hub key ${kid}`);
  if (hub.length === 1) return no('the last hub key stays: add another first');
  const rest = hub.filter(key => key.kid !== kid);
  return {
    ok: true,
    stored: { ...stored, hub: rest },
    said: `hub key ${kid} is gone: its posters are refused`,
  };
};

const listed = (stored: StoredKeys, nowMs: number): string => {
  const newest = qrKidAt(fromOf(stored), nowMs);
  const lines = stored.qr.map(({ kid, fromMs = 0 }) => {
    const since = new Date(fromMs).toISOString();
    return `  key ${kid}  ${kid === newest ? 'makes codes' : fromMs > nowMs ? `makes codes from ${since}` : 'verifies'}`;
  });
  const signer = signerAt(stored, nowMs);
  const tokens = stored.jwt.map(({ kid, fromMs = 0 }) => {
    const does =
      kid === signer ? 'signs' : fromMs > nowMs ? `signs from ${new Date(fromMs).toISOString()}` : 'verifies';
    return `  token key ${kid}  ${does}`;
  });
  return [...lines, ...tokens, ...(stored.hub ?? []).map(({ kid }) => `  hub key ${kid}`)].join('\n');
};

const options = {
  help: { type: 'boolean', short: 'h' },
  data: { type: 'string' },
  in: { type: 'string', default: '1' },
  force: { type: 'boolean', default: false },
} as const;

const parse = (args: readonly string[]) => parseArgs({ args: [...args], allowPositionals: true, options });

const readKeys = (data: string): StoredKeys | null => {
  try {
    return JSON.parse(readFileSync(keyFileOf(data), 'utf8')) as StoredKeys;
  } catch {
    return null;
  }
};

/** Exit code: 0 done, 1 refused, 2 asked for what there is not. */
export const run = (args: readonly string[], say: (line: string) => void): number => {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    say(`${(error as Error).message.split('. ')[0]}. Try --help.`);
    return 2;
  }
  const { values, positionals } = parsed;
  const [what = '', which] = positionals;
  const hours = Number(values.in);
  const kid = Number(which ?? Number.NaN);
  const commands: Record<string, (stored: StoredKeys, nowMs: number) => Outcome> = {
    list: (stored, nowMs) => no(listed(stored, nowMs)),
    add: (stored, nowMs) => addKey(stored, nowMs, hours * HOUR_MS),
    remove: (stored, nowMs) => removeKey(stored, kid, nowMs, values.force),
    'add-token': (stored, nowMs) => addTokenKey(stored, nowMs, hours * HOUR_MS),
    'remove-token': (stored, nowMs) => removeTokenKey(stored, which ?? '', nowMs, values.force),
    'add-hub': addHubKey,
    'remove-hub': stored => removeHubKey(stored, kid),
  };
  const command = Object.hasOwn(commands, what) ? commands[what] : undefined;
  if (values.help || command === undefined) {
    say(HELP);
    return values.help ? 0 : 2;
  }
  if (!(hours >= 0 && hours <= 24 * 365)) {
    say('--in takes hours from 0 to a year.');
    return 2;
  }
  const data = values.data ?? process.env.HEYBLUE_DATA_DIR ?? '.data';
  const stored = readKeys(data);
  if (stored === null) {
    say(
      `There is no key file ${keyFileOf(data)} that can be read. Start the town once, or name its folder with --data.`,
    );
    return 2;
  }
  const done = command(stored, Date.now());
  if (done.ok) replaceKeys(data, done.stored);
  say(done.said);
  return done.ok || what === 'list' ? 0 : 1;
};

if (import.meta.main) process.exitCode = run(process.argv.slice(2), line => console.log(line));
