/** The sheet is the sums of what was measured, and the sums are those of the benchmark that counts nodes. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NATION as BENCHED } from '../bench/nationPlan.ts';
import { readOverlay } from '../manifests/check.ts';
import { renderCapacity } from './document.ts';
import { MEASURED, NATION, POD } from './measured.ts';
import { ASSUMED, PRICES } from './prices.ts';
import { COSTS, LOCATION_ALONE, perEncounter, perPhoneS, perPosition, ROWS, TOTAL } from './sheet.ts';

const prod = readOverlay('prod');
const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

test('the page is the one that the sums make', () => {
  expect(read('../CAPACITY.md'), 'run: npx node k8s/capacity/render.ts').toBe(renderCapacity());
});

test('the nation and the pod are those that others plan for', () => {
  expect(NATION).toMatchObject({
    online: BENCHED.people,
    positionsPeakPerS: BENCHED.positionsPerS,
    positionsOftenPerS: BENCHED.positionsPerSOften,
    encountersPeakPerS: BENCHED.encountersPerS,
  });
  const [scaler] = prod.all('HorizontalPodAutoscaler');
  expect(scaler!.spec!.metrics![0]!.pods!.target.averageValue).toBe(String(POD.sockets));
  const memory = `${POD.memoryBytes / 2 ** 30}Gi`;
  expect(prod.node!.container.resources).toEqual({
    requests: { cpu: '1', memory },
    limits: { memory, 'ephemeral-storage': '1Gi' },
  });
});

test('the machines that are paid for have room for their pods, and the region is that of production', () => {
  const pods = PRICES.machineCores - ASSUMED.systemCores;
  expect(pods * POD.memoryBytes).toBeLessThan(0.9 * PRICES.machineGib * 2 ** 30);
  expect(prod.settings.AWS_REGION).toBe(ASSUMED.region);
});

test('prices of a phone, a position and an encounter make the full node that was measured', () => {
  const { phones, positionsPerS, encountersPerS, cores } = MEASURED.nation;
  expect(phones * perPhoneS + positionsPerS * perPosition + encountersPerS * perEncounter).toBeCloseTo(
    cores,
    9,
  );
  for (const row of ROWS) expect(row.pods * POD.full).toBeGreaterThanOrEqual(row.cores);
});

test('every cost is a cost, and their sum is far below matching through Amazon Location', () => {
  for (const { what, dollars } of COSTS) expect(dollars, what).toBeGreaterThan(0);
  expect(COSTS.reduce((sum, { dollars }) => sum + dollars, 0)).toBe(TOTAL);
  expect(LOCATION_ALONE.dollars / TOTAL).toBeGreaterThan(10);
});
