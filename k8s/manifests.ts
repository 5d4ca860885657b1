/** `npm run manifests`: builds every overlay without a cluster and says what an API server, or a node, would refuse of it. */
import { parseArgs } from 'node:util';
import { mistakesOf, overlayNames, readOverlay } from './manifests/check.ts';
import { Mistake } from './manifests/document.ts';

const HELP = `npm run manifests -- [--overlay NAME]... [--release]

  builds the overlays of k8s/overlays as kustomize does, looks at every object strictly (types, fields, ports, labels,
  settings, network, time to leave) and prints a table; ends with 1 when something is wrong
  --overlay NAME  only this one; may be repeated (${overlayNames().join(', ')})
  --release       images must be there, too: digests of zeros are a mistake`;

const wish = (): { overlay: string[]; release: boolean } | string => {
  try {
    const { values } = parseArgs({
      options: {
        overlay: { type: 'string', multiple: true },
        release: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return HELP;
    const { overlay = overlayNames(), release } = values;
    const stranger = overlay.find(one => !overlayNames().includes(one));
    if (stranger !== undefined)
      return `There is no overlay "${stranger}": there are ${overlayNames().join(', ')}.`;
    return { overlay, release };
  } catch (error) {
    return `${(error as Error).message}\n\n${HELP}`;
  }
};

async function main(): Promise<void> {
  const asked = wish();
  if (typeof asked === 'string') {
    if (asked === HELP) console.log(asked);
    else console.error(asked);
    process.exitCode = asked === HELP ? 0 : 2;
    return;
  }
  const rows: Record<string, string | number>[] = [];
  const all: string[] = [];
  for (const name of asked.overlay) {
    try {
      const overlay = readOverlay(name);
      const mistakes = await mistakesOf(overlay, asked.release);
      const kinds = new Set(overlay.resources.map(one => one.kind));
      rows.push({
        overlay: name,
        objects: overlay.resources.length,
        kinds: kinds.size,
        mistakes: mistakes.length,
      });
      all.push(...mistakes.map(sentence => `${name}: ${sentence}`));
    } catch (error) {
      if (!(error instanceof Mistake)) throw error;
      rows.push({ overlay: name, objects: '-', kinds: '-', mistakes: 1 });
      all.push(`${name}: ${error.message}`);
    }
  }
  console.table(rows);
  for (const sentence of all) console.log(sentence);
  process.exitCode = all.length === 0 ? 0 : 1;
}

await main();
