/**
 * A command of the house, run by a test as people run it: in a process of its own, of which the test hears how it ended,
 * what it said, and the JSON object of its last line.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
/** When we are killed, the command ends in good order. */
const FOLLOW = new URL('../../infra/launch/follow-parent.mjs', import.meta.url).href;
const FLAGS = ['--disable-warning=ExperimentalWarning', '--import', FOLLOW];
/** A tenth of what others have when they want it: little enough, and it gets on also where others are always busy. */
const NICE = 10;
/** A failing command says more than anybody reads. */
const TOLD_CHARACTERS = 8_000;

export interface Said {
  /** Its exit code; null when a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The end of all that it said, for the message of a failing test. */
  readonly told: string;
  /** What its last line says; null when that is no JSON object. */
  // biome-ignore lint/suspicious/noExplicitAny: figures that tests look at by name
  readonly json: any;
}

export interface CommandOptions {
  /** It gets the time of the processors that nobody else wants: for work that is late for nothing. */
  readonly yields?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** Linux may share its processors out by session first, and then looks at niceness only within one. */
const yieldSession = (pid: number): void => {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(NICE));
  } catch {
    // another system, or one that does not group by session: there niceness is enough
  }
};

/** @param file the program, from the root of the repository */
export const runCommand = (
  file: string,
  words: readonly string[],
  { yields = false, env = {} }: CommandOptions = {},
): Promise<Said> =>
  new Promise((resolve, reject) => {
    const line = [process.execPath, ...FLAGS, join(ROOT, file), ...words];
    const [program = '', ...args] = yields ? ['nice', '-n', String(NICE), ...line] : line;
    const child = spawn(program, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // a session of its own
      detached: true,
    });
    if (yields && child.pid !== undefined) yieldSession(child.pid);
    let stdout = '';
    let stderr = '';
    let told = '';
    const tell = (text: string): void => {
      told = (told + text).slice(-TOLD_CHARACTERS);
    };
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      tell(text);
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      tell(text);
    });
    child.once('error', reject);
    child.once('close', status => {
      const last = stdout.trimEnd().split('\n').at(-1) ?? '';
      const json = last.startsWith('{') ? JSON.parse(last) : null;
      resolve({ status, stdout, stderr, told, json });
    });
  });
