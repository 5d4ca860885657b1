/** `npx node infra/telemetry/render.ts` rewrites gateway/METRICS.md from the table of metrics. */
import { writeFileSync } from 'node:fs';
import { renderMetrics } from './document.ts';

writeFileSync(new URL('../../gateway/METRICS.md', import.meta.url), renderMetrics());
