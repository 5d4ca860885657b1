/**
 * `npm run kubernetes`: the town on a real Kubernetes, on one machine, by one command. Builds Kubernetes and the images
 * when they are not there, brings up two machines in a box of namespaces (k8s/cluster/box.ts), lays the overlay
 * `compat-1.20` on them, and updates, deletes, kills and drains while people use it.
 */
import { fileURLToPath } from 'node:url';
import { HELP, readArguments } from './cluster/arguments.ts';
import { runInBox } from './cluster/box.ts';
import type { Order } from './cluster/inside.ts';
import { overlayObjects } from './cluster/overlay.ts';
import { prepare } from './cluster/prepare.ts';
import { unable } from './cluster/tools.ts';
import { commitOf } from './commit.ts';

const EXIT_USAGE = 2;
const INSIDE = fileURLToPath(new URL('./cluster/inside.ts', import.meta.url));

const main = async (): Promise<number> => {
  const asked = readArguments(process.argv.slice(2));
  if (asked === null) {
    console.log(HELP);
    return 0;
  }
  if (typeof asked === 'string') {
    console.error(asked);
    return EXIT_USAGE;
  }
  const why = unable();
  if (why !== null) {
    console.error(why);
    return 1;
  }
  console.error(`kubernetes: seed ${asked.seed}, cache ${asked.work}`);
  const images = await prepare(asked.work, line => console.error(`kubernetes: ${line}`));
  for (const { name, sizeMb } of images) console.error(`kubernetes: image ${name}, ${sizeMb} MB`);
  if (asked.build) return 0;
  const { work } = asked;
  const order = { work, asked, images, objects: overlayObjects('compat-1.20'), commit: commitOf() };
  return runInBox<Order>(INSIDE, order, asked);
};

main()
  .then(code => process.exit(code))
  .catch(error => {
    console.error(`kubernetes: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  });
