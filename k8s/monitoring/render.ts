/** `npx node k8s/monitoring/render.ts` rewrites prometheusrule.yaml and dashboards/ from the tables beside it. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dashboardTexts, ruleText } from './document.ts';

const at = (name: string): URL => new URL(name, import.meta.url);

writeFileSync(at('prometheusrule.yaml'), ruleText());
const texts = dashboardTexts();
for (const name of readdirSync(at('dashboards'))) if (!texts.has(name)) rmSync(at(`dashboards/${name}`));
for (const [name, text] of texts) writeFileSync(at(`dashboards/${name}`), text);
