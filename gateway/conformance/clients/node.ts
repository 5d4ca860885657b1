/** Our own client in Node, as a program that the kit can start: lines in, lines out. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { app } from './app.ts';

const [url = process.env.HEYBLUE_URL ?? '', folder = process.env.HEYBLUE_STATE ?? '.'] =
  process.argv.slice(2);
const file = join(folder, 'record.json');
/** The close frame leaves first. */
const LEAVE_MS = 50;

const hear = app({
  url,
  say: report => void process.stdout.write(`${JSON.stringify(report)}\n`),
  storage: {
    get: () => {
      try {
        return readFileSync(file, 'utf8');
      } catch {
        return null;
      }
    },
    set: record => (record === null ? rmSync(file, { force: true }) : writeFileSync(file, record)),
  },
});

const lines = createInterface({ input: process.stdin });
lines.on('line', line => {
  const instruction = JSON.parse(line);
  hear(instruction);
  if (instruction.exit === true) lines.close();
});
lines.on('close', () => setTimeout(() => process.exit(0), LEAVE_MS));
