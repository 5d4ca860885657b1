/** `npx node infra/events/generate.ts` writes `generated/` and EVENTS.md from the catalogue; it refuses what would break a reader. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { broken } from './additive.ts';
import { renderEvents } from './document.ts';
import { committed, GOLDEN, textOf, wanted } from './golden.ts';

mkdirSync(GOLDEN, { recursive: true });
const files = wanted();
let refused = false;
for (const [file, { schema }] of committed()) {
  const now = files.get(file);
  const why = now ? broken(schema, now.schema) : ['the event or its version is gone'];
  for (const one of why) console.error(`${file}: ${one}`);
  refused ||= why.length > 0;
}
if (refused) {
  console.error('Somebody reads these: give the event a new version instead.');
  process.exitCode = 1;
} else {
  for (const [file, golden] of files) writeFileSync(new URL(file, GOLDEN), textOf(golden));
  writeFileSync(new URL('./EVENTS.md', import.meta.url), renderEvents());
}
