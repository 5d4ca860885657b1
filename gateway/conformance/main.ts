/**
 * `npm run conformance -- --client "python3 my_client.py {url}"`: plays every script against a client and says which ones
 * it passes, with a reason for each that it does not. Without `--client` it is our own, in Node; `--browser`: in Chromium.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { browserSubject } from './browser.ts';
import { KIT } from './limits.ts';
import { readScript, type Script, ScriptError } from './script.ts';
import { Stage, type Verdict } from './stage.ts';
import { programSubject, type Subject } from './subject.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The scripts of the kit, by name. */
export const allScripts = (): Script[] =>
  readdirSync(here('scripts'))
    .filter(name => name.endsWith('.json'))
    .sort()
    .map(name => readScript(join(here('scripts'), name)));

/** Our own client in Node, with a bad habit if one is named (`clients/habits.ts`). */
export const nodeSubject = (habit = ''): Subject => {
  const program = `"${process.execPath}" --disable-warning=ExperimentalWarning "${here('clients/node.ts')}"`;
  return { ...programSubject(`${program} {url} {state} ${habit}`), name: `gateway/client ${habit}`.trim() };
};

export interface Playing {
  /** Hears of each verdict as it is known. */
  readonly told?: (verdict: Verdict) => void;
  readonly atOnce?: number;
  /** See {@link Stage}. */
  readonly patience?: number;
}

/** Plays scripts, some at once; verdicts in the order of the scripts. */
export const playAll = async (
  scripts: readonly Script[],
  subject: Subject,
  { told = () => {}, atOnce = KIT.atOnce, patience = 1 }: Playing = {},
): Promise<Verdict[]> => {
  const verdicts: Verdict[] = [];
  let nth = 0;
  const worker = async (): Promise<void> => {
    while (nth < scripts.length) {
      const mine = nth++;
      const verdict = await new Stage(scripts[mine]!, subject, patience).play();
      verdicts[mine] = verdict;
      told(verdict);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return verdicts;
};

const options = {
  client: { type: 'string' },
  browser: { type: 'boolean' },
  only: { type: 'string' },
  script: { type: 'string', multiple: true },
  list: { type: 'boolean' },
  json: { type: 'boolean' },
  verbose: { type: 'boolean' },
  'at-once': { type: 'string' },
  patience: { type: 'string' },
} as const;

const show = ({ script, verdict, reason, ms, diary }: Verdict, width: number, verbose: boolean): void => {
  console.log(
    `${verdict.padEnd(9)} ${script.padEnd(width)} ${String(ms).padStart(6)} ms  ${reason}`.trimEnd(),
  );
  if (verbose) for (const line of diary) console.log(`          ${line}`);
};

const main = async (): Promise<number> => {
  const { values } = parseArgs({ options });
  let scripts = values.script?.map(readScript) ?? allScripts();
  if (values.only !== undefined) {
    const names = values.only.split(',');
    const unknown = names.find(name => !scripts.some(script => script.name === name));
    if (unknown !== undefined) throw new ScriptError(`there is no script "${unknown}"; --list names them`);
    scripts = scripts.filter(script => names.includes(script.name));
  }
  const width = Math.max(...scripts.map(script => script.name.length));
  if (values.list === true) {
    for (const { name, about, demands } of scripts) console.log(`${name.padEnd(width)}  ${about} ${demands}`);
    return 0;
  }
  const browser = values.browser === true ? await browserSubject() : null;
  if (typeof browser === 'string') {
    console.log(browser);
    return 0;
  }
  const subject = browser ?? (values.client === undefined ? nodeSubject() : programSubject(values.client));
  const tell = (verdict: Verdict): void => {
    if (values.json === true) console.log(JSON.stringify({ ...verdict, diary: undefined }));
    else show(verdict, width, values.verbose === true);
  };
  const verdicts = await playAll(scripts, subject, {
    told: tell,
    atOnce: Number(values['at-once'] ?? KIT.atOnce),
    patience: Number(values.patience ?? 1),
  });
  await browser?.close();
  const passed = verdicts.filter(one => one.verdict === 'passed').length;
  const untried = verdicts.filter(one => one.verdict === 'not tried').length;
  if (values.json !== true)
    console.log(
      `${passed} of ${scripts.length} passed${untried > 0 ? `, ${untried} not tried` : ''}: ${subject.name}`,
    );
  return passed + untried === scripts.length ? 0 : 1;
};

if (import.meta.main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
}
