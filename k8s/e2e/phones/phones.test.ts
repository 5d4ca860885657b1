/**
 * The property of `../../simulate/phones/phones.test.ts` among real processes: phones with the real client through a script
 * of losses, kills, drains, twins and moves, judged by the same invariants. One script here, always the same; others with
 * `npx node k8s/e2e/phones/main.ts '{"runs":10,"seed":1}'`.
 */
import { expect, inject, test } from 'vitest';
import { runCommand } from '../../testing/command.ts';

const SEED = Number(process.env.HEYBLUE_CLUSTER_SEED ?? 28);

test(`whatever happens to real phones and nodes, the invariants hold: seed ${SEED}`, {
  timeout: 400_000,
}, async () => {
  const order = JSON.stringify({ seed: SEED });
  const env = { NATS_SERVER_BIN: inject('natsServerBin') };
  const { json, told } = await runCommand('k8s/e2e/phones/main.ts', [order], { env });
  expect(json?.broken ?? [], told).toEqual([]);
  expect(json?.played, told).toBe(1);
});
