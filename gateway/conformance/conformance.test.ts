import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { findChromium, NO_BROWSER } from '../testing/chromium.ts';
import { browserSubject } from './browser.ts';
import { app, type Surroundings } from './clients/app.ts';
import { HABITS, type HabitName } from './clients/habits.ts';
import { allScripts, nodeSubject, playAll } from './main.ts';
import { parseScript, type Script } from './script.ts';
import type { Verdict } from './stage.ts';
import { programSubject, type Subject } from './subject.ts';

/** Every script, on a machine that stands still now and then. */
const ALL_MS = 240_000;

/** Tests run beside others. */
const busy = { patience: 3 };

const short = ({ script, verdict, reason }: Verdict): string => `${script}: ${verdict} ${reason}`;
const unpassed = (verdicts: readonly Verdict[]): string[] =>
  verdicts.filter(one => one.verdict !== 'passed').map(short);
const scripts = allScripts();
const named = (...names: readonly string[]): Script[] => {
  const some = scripts.filter(script => names.includes(script.name));
  expect(some).toHaveLength(names.length);
  return some;
};

test('the page says how many there are', () => {
  const page = readFileSync(new URL('README.md', import.meta.url), 'utf8');
  expect(page.split(`${scripts.length} of ${scripts.length}`)).toHaveLength(3);
});

test('our own client passes every script in Node', { timeout: ALL_MS }, async () => {
  expect(unpassed(await playAll(scripts, nodeSubject(), busy))).toEqual([]);
});

if (findChromium() === null) console.warn(NO_BROWSER);
test.skipIf(findChromium() === null)(
  'and in Chromium, killed and started again there as well',
  { timeout: ALL_MS },
  async () => {
    const browser = await browserSubject();
    if (typeof browser === 'string') throw new Error(browser);
    try {
      expect(unpassed(await playAll(scripts, browser, busy))).toEqual([]);
    } finally {
      await browser.close();
    }
  },
);

/** Our own client in this process: told that it left before a byte of its goodbye has. */
const hasty = (WebSocket?: Surroundings['WebSocket']): Subject => ({
  name: 'hasty',
  start: async (url, _folder, { report, ended }) => {
    const storage = { get: () => null, set: () => {} };
    const hear = app({ url, say: one => report({ ...one }), storage, ...(WebSocket && { WebSocket }) });
    return {
      tell: instruction => {
        hear(instruction);
        if (instruction.exit === true) ended('the app has left');
      },
      kill: async () => {},
    };
  },
});

describe('the end of a client is known before the end of its connections', () => {
  test('its goodbye is waited for', async () => {
    expect(unpassed(await playAll(named('goodbye'), hasty(), busy))).toEqual([]);
  });

  test('and missed when there is none', async () => {
    const [goodbye] = named('goodbye');
    const steps = goodbye!.steps.map(step => ('gone' in step ? { ...step, within: 300 } : step));
    const clinging = class extends WebSocket {
      override close(): void {}
    };
    const [verdict] = await playAll(
      [{ ...goodbye!, steps }],
      hasty(clinging as Surroundings['WebSocket']),
      busy,
    );
    expect(short(verdict!)).toBe('goodbye: failed the client did not leave connection 2 within 900 ms');
  });
});

test('`connected` is waited for after every WELCOME, or a later step finds that of an earlier connection', () => {
  const counts = scripts.map(({ name, steps }) => ({
    name,
    welcomes: steps.filter(step => 'say' in step && step.say === 'WELCOME').length,
    waits: steps.filter(step => 'app' in step && step.app.state === 'connected').length,
  }));
  for (const { name, welcomes, waits } of counts) if (waits > 0) expect(waits, name).toBe(welcomes);
});

const STRANGER = fileURLToPath(new URL('../../k8s/e2e/stranger/conformance.py', import.meta.url));
/** Which of its commands was waited for when the time was up is a matter of how fast both were. */
const LATE = (script: string): RegExp =>
  new RegExp(`^${script}: failed (hey\\.say|instant\\.set) did not come on connection \\d within 15000 ms$`);
const hasPython =
  spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']).status === 0;
if (!hasPython) console.warn('The stranger is skipped: there is no python3 (3.9 or newer) on this machine.');

test.skipIf(!hasPython)(
  "a stranger's client in Python: what it lacks is known",
  { timeout: ALL_MS },
  async () => {
    const verdicts = await playAll(scripts, programSubject(`python3 -B "${STRANGER}" {url}`), busy);
    expect(unpassed(verdicts)).toEqual([
      // one command at a time: the second leaves when the first was answered
      expect.stringMatching(LATE('answered-twice')),
      'background: not tried the client says that it cannot do this: foreground',
      'dead-socket-network-changed: not tried the client says that it cannot do this: network',
      'killed-app: not tried the client says that it cannot do this: restart',
      expect.stringMatching(LATE('reply-after-reconnect')),
    ]);
  },
);

describe('a bad habit is noticed by the script that is about it', () => {
  const NOTICED: Readonly<Record<HabitName, Readonly<Record<string, string>>>> = {
    repeats: { 'duplicate-event': 'sharing.ended 1, sharing.ended 1' },
    answers: { 'answered-twice': 'command a was answered 2 times' },
    gaps: { gap: 'the client did not leave connection 1' },
    forgets: { 'slow-consumer': 'resume is null', 'epoch-change': 'resume is null' },
    adopts: { 'snapshot-lost': 'HELLO: resume is {' },
    rekeys: { 'reply-after-reconnect': 'hey.say came again with another key' },
    stale: { 'token-expired-mid-command': 'HELLO brought a token that was sent before' },
    breaks: { 'goaway-overlap': 'the client has left connection 1 already' },
    insists: { replaced: 'the app did not see', 'unknown-close-stop': 'the app did not see' },
    hastes: { overloaded: 'HELLO came after' },
    mute: { 'clock-jump': 'PING did not come', background: 'CLIENT STATE did not come' },
    boasts: { 'duplicate-event': 'ACK 4 on connection 1, where nothing above 3 was said' },
    strict: { 'unknown-frames': 'the app did not see' },
    rewinds: { 'volatile-back': 'the app did not see' },
    packs: { batch: 'PONG did not come' },
    lags: { positions: 'LOCATION did not come' },
  };

  // A client that was kept from its processor for five seconds is not hasty, whatever its habit: it is asked again.
  test.each(Object.keys(HABITS) as HabitName[])('%s', { timeout: 60_000, retry: 2 }, async habit => {
    const verdicts = await playAll(named(...Object.keys(NOTICED[habit])), nodeSubject(habit));

    for (const { script, reason } of verdicts) expect(reason).toContain(NOTICED[habit][script]);
  });
});

describe('a script that is wrong says where', () => {
  test.each([
    ['{', 'x: '],
    ['[]', 'a script is an object'],
    ['{"about":"a","demands":"b","steps":[]}', 'there are no "steps"'],
    [
      '{"about":"a","demands":"b","steps":[{"hear":"HELLO"},{"says":"WELCOME"}]}',
      'x, step 2: a step has exactly one of',
    ],
    ['{"about":"a","demands":"b","steps":[{"say":"PING","loud":true}]}', 'x, step 1: "say" knows no "loud"'],
    ['{"about":"a","demands":"b","steps":[{"wait":1}],"sees":[]}', 'a script knows no "sees"'],
  ])('%s', (text, sentence) => {
    expect(() => parseScript('x', text)).toThrow(sentence);
  });
});

test('a client that does not start, or does not speak, is told so', { timeout: 60_000 }, async () => {
  const [script] = named('duplicate-event');
  const [absent] = await playAll([script!], programSubject('exec no-such-program-anywhere {url}'));
  expect(absent).toMatchObject({
    verdict: 'failed',
    reason: expect.stringContaining('no-such-program-anywhere'),
  });
  const [gibberish] = await playAll([script!], programSubject(`echo gibberish`));
  expect(gibberish).toMatchObject({ verdict: 'failed' });
});
