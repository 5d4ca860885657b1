/** `npx node k8s/capacity/render.ts` rewrites k8s/CAPACITY.md. */
import { writeFileSync } from 'node:fs';
import { renderCapacity } from './document.ts';

writeFileSync(new URL('../CAPACITY.md', import.meta.url), renderCapacity());
