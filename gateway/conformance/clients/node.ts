/** Our own client in Node, as a program that the kit can start: lines in, lines out. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { app } from './app.ts';

const [url = process.env.HEYBLUE_URL ?? '', folder = process.env.HEYBLUE_STATE ?? '.'] =
  process.argv.slice(2);
const file = join(folder, 'position.json');

const hear = app({
  url,
  say: report => void process.stdout.write(`${JSON.stringify(report)}\n`),
  load: () => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return null;
    }
  },
  save: text => writeFileSync(file, text),
});

const lines = createInterface({ input: process.stdin });
lines.on('line', line => {
  const instruction = JSON.parse(line);
  hear(instruction);
  if (instruction.exit === true) lines.close();
});
lines.on('close', () => {
  // the close frame leaves first
  setTimeout(() => process.exit(0), 50).unref();
});
