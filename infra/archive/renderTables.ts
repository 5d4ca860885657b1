/** `npx node infra/archive/renderTables.ts` rewrites the tables of Athena. */
import { writeFileSync } from 'node:fs';
import { athenaTables } from './tables.ts';

writeFileSync(new URL('./sql/athena/tables.sql', import.meta.url), athenaTables());
