/** `npm run check`: types, lint and arrows, without the tests. */
import { join } from 'node:path';
import { runChecks } from './checks.ts';

const checks = await runChecks(join(import.meta.dirname, '../..'), line => console.log(line));
process.exitCode = checks.every(check => check.ok) ? 0 : 1;
