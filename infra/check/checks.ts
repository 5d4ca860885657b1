/** What must hold before a test is worth running: types, lint and format, arrows. Each in a few seconds. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

export interface Check {
  name: string;
  ok: boolean;
  /** What the tool said; empty when it had nothing to say. */
  output: string;
}

/** Its figure is shown also when it is fine. */
const SIZE = 'size of the client';

const CHECKS: readonly (readonly [name: string, ...command: string[]])[] = [
  ['types', 'node_modules/typescript/bin/tsc', '--noEmit', '-p', '.'],
  ['lint and format', 'node_modules/@biomejs/biome/bin/biome', 'check', '--max-diagnostics=50', '.'],
  ['arrows', 'infra/check/arrows.ts'],
  [SIZE, 'infra/check/clientPackage.ts'],
];

function run(root: string, name: string, command: readonly string[]): Promise<Check> {
  const [script = '', ...args] = command;
  const flags = ['--disable-warning=ExperimentalWarning'];
  return new Promise(resolve => {
    const child = spawn(process.execPath, [...flags, join(root, script), ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.once('error', error => resolve({ name, ok: false, output: error.message }));
    child.once('close', code => resolve({ name, ok: code === 0, output: output.trim() }));
  });
}

/** Runs every check of the repository at `root`, one after the other, and prints what the failing ones said. */
export async function runChecks(root: string, say: (line: string) => void): Promise<Check[]> {
  const checks: Check[] = [];
  for (const [name, ...command] of CHECKS) {
    const check = await run(root, name, command);
    checks.push(check);
    const figure = name === SIZE ? `: ${check.output}` : '';
    say(check.ok ? `ok      ${name}${figure}` : `FAILED  ${name}\n${check.output}`);
  }
  return checks;
}
