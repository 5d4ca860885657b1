/**
 * The client under test, seen from outside: a program that hears on its standard input what its app does, and says on its
 * standard output what its app saw, one JSON object a line. `README.md` describes both.
 */
import { spawn } from 'node:child_process';
import { KIT } from './limits.ts';
import type { JsonObject } from './script.ts';

/** One line of a client's standard output. */
export type Report = JsonObject;

export interface Hooks {
  readonly report: (report: Report) => void;
  /** It ended, asked or not. */
  readonly ended: (why: string) => void;
}

export interface Running {
  /** What its app does now. */
  tell(instruction: JsonObject): void;
  /** Ends it without a word, as a phone ends an app. Resolves when it is gone. */
  kill(): Promise<void>;
}

export interface Subject {
  readonly name: string;
  /** @param stateFolder an empty folder that stays over a restart of the same script */
  start(url: string, stateFolder: string, hooks: Hooks): Promise<Running>;
}

/** A program in any language. `{url}` and `{state}` of its command line are replaced; both are in its environment too. */
export const programSubject = (commandLine: string): Subject => ({
  name: commandLine,
  start: async (url, stateFolder, { report, ended }) => {
    const filled = commandLine.replaceAll('{url}', url).replaceAll('{state}', stateFolder);
    const env = { ...process.env, HEYBLUE_URL: url, HEYBLUE_STATE: stateFolder };
    // A group of its own: a shell, and what it started, end together.
    const child = spawn(filled, { shell: true, detached: true, env, stdio: ['pipe', 'pipe', 'pipe'] });
    let gone = false;
    let rest = '';
    let complaints = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (piece: string) => {
      rest += piece;
      const lines = rest.split('\n');
      rest = lines.pop()!.slice(0, KIT.reportBytes);
      for (const line of lines) if (line.trim() !== '') report(parsed(line));
    });
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (piece: string) => {
      complaints = (complaints + piece).slice(-2_000);
    });
    child.stdin.on('error', () => {});
    const over = new Promise<void>(resolve => {
      const end = (why: string): void => {
        if (gone) return;
        gone = true;
        ended(complaints.trim() === '' ? why : `${why}: ${complaints.trim()}`);
        resolve();
      };
      child.once('error', error => end(error.message));
      child.once('close', (code, signal) => end(`the client ended with ${signal ?? code}`));
    });
    return {
      tell: instruction => {
        if (!gone) child.stdin.write(`${JSON.stringify(instruction)}\n`);
      },
      kill: async () => {
        if (!gone && child.pid !== undefined) {
          try {
            process.kill(-child.pid, 'SIGKILL');
          } catch {
            child.kill('SIGKILL');
          }
        }
        await over;
      },
    };
  },
});

const parsed = (line: string): Report => {
  try {
    const value = JSON.parse(line) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Report;
  } catch {
    // told below
  }
  return { unreadable: line.slice(0, 200) };
};
