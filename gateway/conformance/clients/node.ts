/** Our own client in Node, as a program that the kit can start: lines in, lines out. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { SocketConstructor } from '../../client/index.ts';
import { app } from './app.ts';
import { type HabitName, habitual, saidWith } from './habits.ts';

const [url = process.env.HEYBLUE_URL ?? '', folder = process.env.HEYBLUE_STATE ?? '.', habit] =
  process.argv.slice(2);
const file = join(folder, 'record.json');
/** The close frame leaves first. */
const LEAVE_MS = 50;

const hear = app({
  url,
  say: report => {
    const said = habit === undefined ? [report] : saidWith(habit as HabitName, report);
    for (const one of said) process.stdout.write(`${JSON.stringify(one)}\n`);
  },
  ...(habit !== undefined && { WebSocket: habitual(habit as HabitName) as unknown as SocketConstructor }),
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
